mod ends;
mod fakes;
mod holds;
mod mails;
mod never_twice;
mod world;
