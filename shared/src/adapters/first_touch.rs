//! What the first event would be the first to need of processor and memory, needed once before it: while a function starts,
//! Lambda gives it a whole CPU, and each of these leaves the virtual machine (docs/ARCHITECTURE.md, "Cold and warm").

use std::{hint::black_box, mem::MaybeUninit};

use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use sha2::{Digest as _, Sha256};

/// How much heap is touched, in bytes: about what a first event with two handshakes needs. Below the 128 KiB from which on
/// glibc takes a block from the kernel for itself alone, and gives it back when it is free.
const HEAP: usize = 124 * 1024;
/// How much stack is touched, in bytes: as deep as the calls of a first event go.
const STACK: usize = 100 * 1024;
/// The memory that the kernel hands out at once, in bytes.
const PAGE: usize = 4 * 1024;

/// Touches them. Whoever is the first to ask what the processor can do, asks it: ring for TLS, sha2 for signatures.
pub fn before_the_first_event() {
    black_box(Sha256::digest([]));
    if let Some(suite) = TLS13_AES_128_GCM_SHA256.tls13() {
        black_box(suite.common.hash_provider.hash(&[]));
    }
    touch_heap();
    touch_stack();
}

fn touch_heap() {
    let mut block = Vec::<u8>::with_capacity(HEAP);
    touch(block.spare_capacity_mut());
    black_box(&block);
}

// Not a part of its caller's frame, which would stay as large.
#[inline(never)]
fn touch_stack() {
    touch(&mut [MaybeUninit::uninit(); STACK]);
}

fn touch(memory: &mut [MaybeUninit<u8>]) {
    for byte in memory.iter_mut().step_by(PAGE) {
        byte.write(1);
    }
    black_box(memory);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::thread;

    use super::*;

    /// Pages that this thread was given so far.
    fn pages() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        after_name.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    #[inline(never)]
    fn go_deep() {
        touch(&mut [MaybeUninit::uninit(); STACK - 10 * PAGE]);
    }

    fn pages_of_an_event() -> u64 {
        let before = pages();
        go_deep();
        let small: Vec<Vec<u8>> = (0..HEAP / 1024 - 30).map(|_| vec![1; 1024]).collect();
        black_box(small);
        pages() - before
    }

    #[test]
    fn what_an_event_needs_of_memory_is_there() {
        // The second thread in the first: it cannot have got the first one's memory.
        let first = thread::spawn(|| {
            let untouched = pages_of_an_event();
            let second = thread::spawn(|| {
                before_the_first_event();
                pages_of_an_event()
            });
            (untouched, second.join().unwrap())
        });
        let (untouched, touched) = first.join().unwrap();
        assert!(untouched > 30 && touched < 10, "{untouched} and {touched} pages");
    }
}
