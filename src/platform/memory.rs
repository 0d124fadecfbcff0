//! What this process keeps in memory.
#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "madvise and malloc_trim have no safe wrapper"))]

/// Gives back the pages of the program's own code that only starting up needed. What is used again is there at once: the
/// system still holds the file.
#[cfg(target_os = "linux")]
pub fn forget_startup() {
    let (Ok(maps), Ok(program)) = (std::fs::read_to_string("/proc/self/maps"), std::env::current_exe()) else { return };
    for line in maps.lines().filter(|line| line.contains(" r-xp ") && line.ends_with(&program.display().to_string())) {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let Some((Ok(from), Ok(to))) = range.map(|(from, to)| (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))) else {
            continue;
        };
        // SAFETY: the range is a mapping of the program's file that is never written, so every page of it can be read again
        // from the file. A refusal leaves all as it was.
        unsafe { libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_DONTNEED) };
    }
}

/// Nothing to do on this system.
#[cfg(not(target_os = "linux"))]
pub fn forget_startup() {}

/// Gives back what the allocator keeps for later. Blocks for less than a millisecond where there is little of it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back() {
    // SAFETY: it may be called at any time, by any thread.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do that by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}
