//! Mails as people decide on them, move them and change them.

mod moving;
