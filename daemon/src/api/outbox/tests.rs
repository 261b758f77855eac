//! Mails as people decide on them, move them and change them.

mod edit;
mod many;
mod moving;
