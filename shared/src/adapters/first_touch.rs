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

// Elsewhere pages are larger, or freed memory goes back at once.
#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod tests {
    use std::{env, process::Command};

    use super::*;

    /// Set for a process of its own, whose memory no other test has used; says whether it touches first.
    const TOUCHES: &str = "LATCHKEY_TEST_TOUCHES";

    /// Pages that this thread was given so far.
    fn pages() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        after_name.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    #[inline(never)]
    fn go_deep() {
        touch(&mut [MaybeUninit::uninit(); STACK - 5 * PAGE]);
    }

    fn pages_of_an_event() -> u64 {
        let before = pages();
        go_deep();
        let small: Vec<Vec<u8>> = (0..HEAP / 1024 - 30).map(|_| vec![1; 1024]).collect();
        black_box(small);
        pages() - before
    }

    fn in_its_own_process(touches: bool) -> u64 {
        let this = "adapters::first_touch::tests::what_an_event_needs_of_memory_is_there";
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", this, "--nocapture", "--test-threads=1"])
            .env(TOUCHES, touches.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, count) = text.split_once("pages: ").unwrap();
        count.lines().next().unwrap().parse().unwrap()
    }

    #[test]
    #[allow(clippy::print_stdout, reason = "it is how the process of its own answers")]
    fn what_an_event_needs_of_memory_is_there() {
        if let Ok(touches) = env::var(TOUCHES) {
            if touches == "true" {
                before_the_first_event();
            }
            println!("pages: {}", pages_of_an_event());
            return;
        }
        let (touched, untouched) = (in_its_own_process(true), in_its_own_process(false));
        assert!(touched * 2 < untouched, "{touched} and {untouched} pages");
    }
}
