mod ends;
mod fakes;
mod holds;
mod mailboxes;
mod mails;
mod never_twice;
mod times;
mod world;
