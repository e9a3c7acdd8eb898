//! The metrics files, read back by an independent decoder.

use std::fs;
use std::path::{Path, PathBuf};

use fpo_learn::trainer::Row;
use fpo_run::metrics::{MetricsError, MetricsWriter};

fn row(iteration: u64) -> Row {
    Row {
        iteration,
        env_steps: 30_720 * iteration,
        values: vec![
            ("return", 0.1 * iteration as f64),
            ("loss/policy", -1.5e-7),
            ("loss/value", f64::NAN),
        ],
        extras: vec![
            ("reward/near".into(), 0.5),
            ("\"odd\"\n".into(), f64::INFINITY),
        ],
        timing: vec![("seconds", 2.0)],
    }
}

fn write(writer: &mut MetricsWriter, iterations: std::ops::RangeInclusive<u64>) {
    for iteration in iterations {
        writer.write(&row(iteration)).unwrap();
    }
    writer.flush().unwrap();
}

fn jsonl(folder: &Path) -> String {
    fs::read_to_string(folder.join("metrics.jsonl")).unwrap()
}

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.retain(|path| {
        path.file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("events.out.tfevents.")
    });
    paths.sort();
    paths
}

#[test]
fn lines_are_stable_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    write(&mut MetricsWriter::create(&folder).unwrap(), 1..=3);
    assert_eq!(
        jsonl(folder.path()),
        "{\"iteration\":1,\"env_steps\":30720,\"return\":0.1,\"loss/policy\":-1.5e-7,\
             \"loss/value\":null,\"env/reward/near\":0.5,\"env/\\\"odd\\\"\\n\":null,\
             \"time\":{\"seconds\":2.0}}\n\
         {\"iteration\":2,\"env_steps\":61440,\"return\":0.2,\"loss/policy\":-1.5e-7,\
             \"loss/value\":null,\"env/reward/near\":0.5,\"env/\\\"odd\\\"\\n\":null,\
             \"time\":{\"seconds\":2.0}}\n\
         {\"iteration\":3,\"env_steps\":92160,\"return\":0.30000000000000004,\
             \"loss/policy\":-1.5e-7,\
             \"loss/value\":null,\"env/reward/near\":0.5,\"env/\\\"odd\\\"\\n\":null,\
             \"time\":{\"seconds\":2.0}}\n"
    );
}

#[test]
fn rows_can_be_read_before_the_writer_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = MetricsWriter::create(&folder).unwrap();
    writer.write(&row(1)).unwrap();
    assert_eq!(jsonl(folder.path()).lines().count(), 1);
    assert_eq!(event::read(&event_files(folder.path())[0]).len(), 2);
}

#[test]
fn resuming_gives_the_file_of_an_uninterrupted_run() {
    let unbroken = tempfile::tempdir().unwrap();
    write(&mut MetricsWriter::create(&unbroken).unwrap(), 1..=6);

    let broken = tempfile::tempdir().unwrap();
    write(&mut MetricsWriter::create(&broken).unwrap(), 1..=5);
    let path = broken.path().join("metrics.jsonl");
    // A crash while row 6 was being written.
    fs::write(&path, jsonl(broken.path()) + "{\"iteration\":6,\"env_st").unwrap();
    write(
        &mut MetricsWriter::resume(&broken, 3).unwrap().commit().unwrap(),
        4..=6,
    );
    assert_eq!(jsonl(broken.path()), jsonl(unbroken.path()));
    assert!(!broken.path().join("metrics.jsonl.tmp").exists());
}

#[test]
fn resuming_drops_every_kind_of_torn_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.jsonl");
    write(&mut MetricsWriter::create(&folder).unwrap(), 1..=2);
    let whole = jsonl(folder.path());
    // A row without its line feed may be incomplete and is dropped, too. Some file systems leave
    // zeros after a power failure.
    for torn in [
        "{",
        "\0\0\0\0",
        "{\"iteration\":3}\n",
        whole.lines().next().unwrap(),
        "\0\0\n",
    ] {
        fs::write(&path, format!("{whole}{torn}")).unwrap();
        MetricsWriter::resume(&folder, 2).unwrap().commit().unwrap();
        assert_eq!(jsonl(folder.path()), whole, "{torn:?}");
    }
    for foreign in ["\u{fffd}\n", "mine\n", "mine", "{\"iterations\":"] {
        fs::write(&path, format!("{whole}{foreign}")).unwrap();
        assert!(MetricsWriter::resume(&folder, 2).is_err(), "{foreign:?}");
        assert_eq!(jsonl(folder.path()), format!("{whole}{foreign}"));
    }
}

#[test]
fn resuming_rejects_damage_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    write(&mut MetricsWriter::create(&folder).unwrap(), 1..=3);
    let damaged = jsonl(folder.path()).replacen("\"iteration\":2", "\"iter", 1);
    fs::write(folder.path().join("metrics.jsonl"), &damaged).unwrap();
    let error = MetricsWriter::resume(&folder, 3).err().unwrap();
    assert!(
        matches!(error, MetricsError::Damaged { line: 2, .. }),
        "{error}"
    );
    assert!(!error.to_string().contains('\n'));
    assert_eq!(jsonl(folder.path()), damaged, "nothing is changed");
}

#[test]
fn resuming_rejects_missing_and_duplicate_rows() {
    let folder = tempfile::tempdir().unwrap();
    write(&mut MetricsWriter::create(&folder).unwrap(), 1..=5);
    let whole = jsonl(folder.path());
    let rows: Vec<&str> = whole.split_inclusive('\n').collect();
    let resume = |rows: &[&str]| {
        fs::write(folder.path().join("metrics.jsonl"), rows.concat()).unwrap();
        let resumed = MetricsWriter::resume(&folder, 4).and_then(|resumption| resumption.commit());
        match resumed {
            Ok(_) => Ok(jsonl(folder.path())),
            Err(error) => {
                assert_eq!(jsonl(folder.path()), rows.concat(), "nothing is changed");
                Err(error.to_string())
            }
        }
    };
    for (rows, line, reason) in [
        (
            &[rows[0], rows[2], rows[3], rows[4]][..],
            2,
            "iteration 2 is missing before it",
        ),
        (
            &[rows[0], rows[1], rows[1], rows[2], rows[3]],
            3,
            "iteration 2 comes after 2",
        ),
        (
            &[rows[0], rows[1], rows[2]],
            3,
            "the checkpoint is of iteration 4",
        ),
    ] {
        let error = resume(rows).unwrap_err();
        assert!(
            error.contains(reason) && error.contains(&format!("in line {line}")),
            "{error}"
        );
    }
    assert_eq!(resume(&rows).unwrap(), rows[..4].concat());
    // A run that was resumed without its first rows.
    assert_eq!(resume(&rows[2..]).unwrap(), rows[2..4].concat());
    assert_eq!(resume(&[]).unwrap(), "");
}

#[test]
fn resuming_without_a_file_starts_one() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &mut MetricsWriter::resume(&folder, 0).unwrap().commit().unwrap(),
        1..=1,
    );
    assert_eq!(jsonl(folder.path()).lines().count(), 1);
}

#[test]
fn a_missing_folder_is_one_line() {
    let error = MetricsWriter::create("/nonexistent/run")
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("/nonexistent/run/metrics.jsonl") && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn events_hold_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    write(&mut MetricsWriter::create(&folder).unwrap(), 1..=3);
    write(
        &mut MetricsWriter::resume(&folder, 2).unwrap().commit().unwrap(),
        3..=3,
    );
    let files = event_files(folder.path());
    assert_eq!(files.len(), 2);

    let events = event::read(&files[0]);
    assert_eq!(events.len(), 4);
    assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
    for (event, iteration) in events[1..].iter().zip(1..) {
        assert_eq!(event.step, 30_720 * iteration);
        assert!(event.wall_time > 1.6e9 && event.wall_time < 1e11);
        let tags: Vec<_> = event.scalars.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(
            tags,
            [
                "return",
                "loss/policy",
                "loss/value",
                "env/reward/near",
                "env/\"odd\"\n",
                "time/seconds"
            ]
        );
        assert_eq!(event.scalars[0].1, (0.1 * iteration as f64) as f32);
        assert_eq!(event.scalars[1].1, -1.5e-7);
        assert!(event.scalars[2].1.is_nan());
        assert_eq!(event.scalars[3].1, 0.5);
        assert_eq!(event.scalars[5].1, 2.0);
    }

    // The resumed file first discards everything after the last row kept.
    let events = event::read(&files[1]);
    let outline: Vec<_> = events
        .iter()
        .map(|e| (e.step, e.session_status, e.scalars.len()))
        .collect();
    assert_eq!(
        outline,
        [
            (0, None, 0),
            (2 * 30_720 + 1, Some(1), 0),
            (3 * 30_720, None, 6)
        ]
    );
}

/// Kind: what the clock says decides no order. TensorBoard reads a run's event files in the order
/// of their names; whatever the clocks of the machines on which it resumed, it sees each row once,
/// in order, as this reader of the files does.
#[test]
fn the_order_of_events_does_not_depend_on_the_clock() {
    let shown = |folder: &Path| {
        let mut rows: Vec<(u64, f64)> = Vec::new();
        for event in event_files(folder)
            .iter()
            .flat_map(|file| event::read(file))
        {
            if event.session_status == Some(1) {
                rows.retain(|(step, _)| *step < event.step);
            } else if !event.scalars.is_empty() {
                rows.push((event.step, event.wall_time));
            }
        }
        rows
    };
    // The seconds at which the first machine's clock says that the run began: behind this one's,
    // ahead of it, further than it will ever be, and in names of other writers.
    for name in [
        "1000000000.fpo.000",
        "4102444800.fpo.000",
        "4102444800.fpo.007",
        "9999999998.fpo.000",
        "4102444800.host.77.0",
        "9999999999.zzz",
        "99999999999.fpo.000",
        "today.fpo",
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(&mut MetricsWriter::create(&folder).unwrap(), 1..=5);
        let [first] = &event_files(folder.path())[..] else {
            panic!("one file")
        };
        let renamed = folder.path().join(format!("events.out.tfevents.{name}"));
        fs::rename(first, renamed).unwrap();
        for (from, to) in [(3, 6), (5, 8)] {
            let mut writer = MetricsWriter::resume(&folder, from)
                .unwrap()
                .commit()
                .unwrap();
            write(&mut writer, from + 1..=to);
        }
        let rows = shown(folder.path());
        let steps: Vec<u64> = rows.iter().map(|(step, _)| *step).collect();
        assert_eq!(
            steps,
            (1..=8).map(|k| 30_720 * k).collect::<Vec<_>>(),
            "{name}"
        );
        // Nor does time run backwards within what was resumed, before the year 2286.
        let ends = name.starts_with('9');
        assert!(
            ends || rows[3..].is_sorted_by(|a, b| a.1 <= b.1),
            "{name}: {rows:?}"
        );
    }
}

/// A decoder of event files that shares no code with the writer.
mod event {
    use std::path::Path;

    #[derive(Debug, Default)]
    pub struct Event {
        pub wall_time: f64,
        pub step: u64,
        pub file_version: Option<String>,
        pub session_status: Option<u64>,
        pub scalars: Vec<(String, f32)>,
    }

    /// All events of a file; every checksum must hold.
    pub fn read(path: &Path) -> Vec<Event> {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut events = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            assert_eq!(
                u32::from_le_bytes(rest[8..12].try_into().unwrap()),
                masked(&rest[..8])
            );
            let data = &rest[12..12 + length];
            assert_eq!(
                u32::from_le_bytes(rest[12 + length..16 + length].try_into().unwrap()),
                masked(data)
            );
            events.push(event(data));
            rest = &rest[16 + length..];
        }
        events
    }

    fn event(data: &[u8]) -> Event {
        let mut event = Event::default();
        for (field, value) in fields(data) {
            match (field, value) {
                (1, Value::Fixed64(bits)) => event.wall_time = f64::from_bits(bits),
                (2, Value::Varint(step)) => event.step = step,
                (3, Value::Bytes(text)) => {
                    event.file_version = Some(String::from_utf8(text).unwrap())
                }
                (5, Value::Bytes(summary)) => {
                    event.scalars = fields(&summary)
                        .into_iter()
                        .map(|(field, value)| scalar(field, value))
                        .collect();
                }
                (7, Value::Bytes(log)) => match &fields(&log)[..] {
                    [(1, Value::Varint(status))] => event.session_status = Some(*status),
                    other => panic!("session log {other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
        event
    }

    fn scalar(field: u64, value: Value) -> (String, f32) {
        let (1, Value::Bytes(bytes)) = (field, value) else {
            panic!("field {field} in a summary")
        };
        match &fields(&bytes)[..] {
            [(1, Value::Bytes(tag)), (2, Value::Fixed32(bits))] => (
                String::from_utf8(tag.clone()).unwrap(),
                f32::from_bits(*bits),
            ),
            other => panic!("summary value {other:?}"),
        }
    }

    #[derive(Debug)]
    enum Value {
        Varint(u64),
        Fixed32(u32),
        Fixed64(u64),
        Bytes(Vec<u8>),
    }

    fn fields(mut data: &[u8]) -> Vec<(u64, Value)> {
        let mut fields = Vec::new();
        while !data.is_empty() {
            let key = varint(&mut data);
            let value = match key & 7 {
                0 => Value::Varint(varint(&mut data)),
                1 => Value::Fixed64(u64::from_le_bytes(take(&mut data, 8).try_into().unwrap())),
                2 => {
                    let length = varint(&mut data) as usize;
                    Value::Bytes(take(&mut data, length).to_vec())
                }
                5 => Value::Fixed32(u32::from_le_bytes(take(&mut data, 4).try_into().unwrap())),
                wire => panic!("wire type {wire}"),
            };
            fields.push((key >> 3, value));
        }
        fields
    }

    fn take<'a>(data: &mut &'a [u8], length: usize) -> &'a [u8] {
        let (head, tail) = data.split_at(length);
        *data = tail;
        head
    }

    fn varint(data: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = take(data, 1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
        }
        panic!("a varint of more than ten bytes");
    }

    /// CRC-32C bit by bit (reflected polynomial 0x82f63b78), then TFRecord's mask.
    fn masked(bytes: &[u8]) -> u32 {
        let mut crc = !0u32;
        for &byte in bytes {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 {
                    crc >> 1 ^ 0x82f6_3b78
                } else {
                    crc >> 1
                };
            }
        }
        let crc = !crc;
        crc.rotate_right(15).wrapping_add(0xa282_ead8)
    }

    #[test]
    fn checksum_of_the_standard_example() {
        assert_eq!(
            masked(b"123456789"),
            0xe306_9283u32.rotate_right(15).wrapping_add(0xa282_ead8)
        );
    }
}
