use liaison_core::time::Timestamp;

use super::*;

/// A small generator, so that a failure names the seed that repeats it.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Texts over the bytes that matter: the end, the escape, their neighbours.
fn random_bytes(state: &mut u64) -> Vec<u8> {
    let length = next(state) % 5;
    (0..length)
        .map(|_| [0x00, 0x01, 0x61, 0xFE, 0xFF][(next(state) % 5) as usize])
        .collect()
}

#[test]
fn tuples_sort_as_their_parts_and_come_back() {
    for seed in 1..=2_000_u64 {
        let mut state = seed;
        let mut parts = || {
            (
                random_bytes(&mut state),
                next(&mut state) as i64 >> (next(&mut state) % 64),
                random_bytes(&mut state),
                next(&mut state) as u16,
            )
        };
        let encode = |(a, time, b, n): &(Vec<u8>, i64, Vec<u8>, u16)| {
            Tuple::new()
                .bytes(a)
                .time(Timestamp(*time))
                .bytes(b)
                .u16(*n)
        };
        let (one, two) = (parts(), parts());
        let (key_one, key_two) = (encode(&one), encode(&two));
        assert_eq!(
            one.cmp(&two),
            key_one.as_bytes().cmp(key_two.as_bytes()),
            "seed {seed}"
        );

        let mut taken = Parts::new(key_one.as_bytes());
        let back = (
            taken.bytes().unwrap(),
            taken.time().unwrap().0,
            taken.bytes().unwrap(),
            taken.u16().unwrap(),
        );
        taken.finish().unwrap();
        assert_eq!(back, one, "seed {seed}");
    }
}

#[test]
fn the_encoding_on_disk_never_changes() {
    let key = Tuple::new()
        .u8(1)
        .u16(2)
        .u32(3)
        .u64(4)
        .text("a\0b")
        .fixed(&[9, 9]);
    let expected =
        b"\x01\x00\x02\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x04a\x00\xFFb\x00\x00\x09\x09";
    assert_eq!(key.as_bytes(), expected);
    let epoch = Tuple::new().time(Timestamp(0));
    assert_eq!(epoch.as_bytes(), b"\x80\0\0\0\0\0\0\0");
}

#[test]
fn a_text_is_never_a_prefix_of_a_longer_one() {
    let short = Tuple::new().text("example.com").range(Ns::ByAddr);
    let long = Tuple::new().text("example.com.net");
    assert!(!long.as_bytes().starts_with(&short.start));
}

#[test]
fn what_is_no_tuple_is_an_error() {
    let cases: [(&[u8], KeyError); 5] = [
        (b"", KeyError::Short),
        (b"abc", KeyError::Short),
        (b"abc\0", KeyError::Short),
        (b"a\0\x01", KeyError::Escape),
        (b"\xFF\0\0", KeyError::Utf8),
    ];
    for (bytes, error) in cases {
        assert_eq!(Parts::new(bytes).text(), Err(error), "{bytes:?}");
    }
    assert_eq!(Parts::new(b"1234567").u64(), Err(KeyError::Short));
    assert_eq!(Parts::new(b"12").finish(), Err(KeyError::LeftOver(2)));
}

#[test]
fn the_end_of_a_prefix_skips_runs_of_ff() {
    let cases: [(&[u8], Option<&[u8]>); 6] = [
        (b"", None),
        (b"a", Some(b"b")),
        (b"a\xFF", Some(b"b")),
        (b"a\xFF\xFF", Some(b"b")),
        (b"\xFF", None),
        (b"\xFE\xFF", Some(b"\xFF")),
    ];
    for (prefix, end) in cases {
        assert_eq!(prefix_end(prefix).as_deref(), end, "{prefix:?}");
    }
}
