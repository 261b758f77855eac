use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct TaskV1 {
    title: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Task {
    title: String,
    owner: Option<String>,
}

impl From<TaskV1> for Task {
    fn from(old: TaskV1) -> Task {
        Task {
            title: old.title,
            owner: None,
        }
    }
}

impl Record for TaskV1 {
    const TYPE: u8 = 200;
    const VERSION: u16 = 1;
}

impl Record for Task {
    const TYPE: u8 = 200;
    const VERSION: u16 = 2;

    fn upgrade(version: u16, payload: &[u8]) -> Option<Result<Task, postcard::Error>> {
        (version == 1).then(|| take_all::<TaskV1>(payload).map(Task::from))
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Other;

impl Record for Other {
    const TYPE: u8 = 201;
    const VERSION: u16 = 1;
}

fn task() -> Task {
    Task {
        title: "call Alice".to_owned(),
        owner: Some("bob".to_owned()),
    }
}

#[test]
fn the_envelope_on_disk_never_changes() {
    let bytes = encode(&TaskV1 {
        title: "hi".to_owned(),
    })
    .unwrap();
    assert_eq!(bytes, b"\x4C\xC8\x00\x01\x00\x02hi\x47\x78\x98\x63");
}

#[test]
fn a_record_comes_back_also_from_its_older_version() {
    assert_eq!(decode::<Task>(&encode(&task()).unwrap()).unwrap(), task());
    let old = encode(&TaskV1 {
        title: "call Alice".to_owned(),
    })
    .unwrap();
    assert_eq!(
        decode::<Task>(&old).unwrap(),
        Task {
            owner: None,
            ..task()
        }
    );
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let good = encode(&task()).unwrap();
    for index in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[index] ^= 1 << bit;
            let error = decode::<Task>(&bad).unwrap_err();
            let expected = if index == 0 {
                CodecError::NoEnvelope { bytes: good.len() }
            } else {
                CodecError::Checksum
            };
            assert_eq!(error, expected, "byte {index}, bit {bit}");
        }
        assert!(decode::<Task>(&good[..index]).is_err(), "cut to {index}");
    }
}

fn sealed(envelope: [u8; 5], payload: &[u8]) -> Vec<u8> {
    let covered = [&envelope, payload].concat();
    let checksum = crc32c::crc32c(&covered).to_be_bytes();
    [covered, checksum.to_vec()].concat()
}

#[test]
fn a_record_of_another_type_or_time_is_named() {
    let newer = sealed([0x4C, 200, 0, 3, 0], b"?");
    assert_eq!(
        decode::<Task>(&newer),
        Err(CodecError::Newer {
            kind: 200,
            version: 3
        })
    );
    assert!(
        decode::<Task>(&newer)
            .unwrap_err()
            .to_string()
            .contains("newer liaison")
    );
    let flagged = sealed([0x4C, 200, 0, 2, 1], b"?");
    assert_eq!(
        decode::<Task>(&flagged),
        Err(CodecError::Newer {
            kind: 200,
            version: 2
        })
    );
    let unknown = sealed([0x4C, 200, 0, 0, 0], b"?");
    assert_eq!(
        decode::<Task>(&unknown),
        Err(CodecError::Unknown {
            kind: 200,
            version: 0
        })
    );
    let other = encode(&Other).unwrap();
    assert_eq!(
        decode::<Task>(&other),
        Err(CodecError::Type {
            found: 201,
            wanted: 200
        })
    );
}

#[test]
fn bytes_left_over_mean_another_shape() {
    let long = sealed([0x4C, 200, 0, 1, 0], b"\x02hi!");
    assert!(matches!(
        decode::<TaskV1>(&long),
        Err(CodecError::Payload { .. })
    ));
}
