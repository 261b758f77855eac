//! Makes sled 0.34.7 reach the disk on Linux.
//!
//! Where sled needs `fsync` it calls `sync_file_range`, which flushes neither metadata nor the
//! cache of the drive: after a power cut most such stores do not open again. A definition in the
//! program wins over the one in libc, so this one is called instead, and does what was meant.
//! [`is_linked`] tells whether that worked; a store is not opened otherwise.
#![cfg_attr(
    target_os = "linux",
    expect(
        unsafe_code,
        reason = "replaces a symbol of libc and calls fdatasync on the descriptor it is given"
    )
)]

#[cfg(target_os = "linux")]
use std::ffi::{c_int, c_uint};

/// Called by sled in place of libc's: writes the data of the whole file and waits for the drive.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
extern "C" fn sync_file_range(
    descriptor: c_int,
    _offset: libc::off64_t,
    _bytes: libc::off64_t,
    _flags: c_uint,
) -> c_int {
    // SAFETY: fdatasync takes any number and answers EBADF for what is no open descriptor.
    unsafe { libc::fdatasync(descriptor) }
}

/// Whether calls to `sync_file_range` in this process come to ours.
#[cfg(target_os = "linux")]
pub(super) fn is_linked() -> bool {
    let ours = sync_file_range as *const () as usize;
    let at_link_time = libc::sync_file_range as *const () as usize;
    // SAFETY: the name is a C string and the handle one of the predefined ones.
    let at_run_time = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"sync_file_range".as_ptr()) };
    // A static or not exported symbol is not seen by dlsym: then the link-time answer decides.
    ours == at_link_time && (at_run_time.is_null() || ours == at_run_time as usize)
}

/// Elsewhere sled calls `fsync` itself.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_linked() -> bool {
    true
}
