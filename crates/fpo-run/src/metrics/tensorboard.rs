//! TensorBoard's event files: TFRecords that hold `Event` messages.
//!
//! A record is its length (u64), a checksum of the length, the message, and a checksum of the
//! message, in little endian. The messages need six fields of `event.proto` and `summary.proto`,
//! which are encoded here by hand.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc};

use super::{MetricsError, Row, io_error};
use fpo_files::{still_at, sync};
use fpo_learn::trainer::EXTRAS;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Field numbers of `Event`, `Summary`, `Summary.Value` and `SessionLog`.
mod field {
    pub const EVENT_WALL_TIME: u64 = 1;
    pub const EVENT_STEP: u64 = 2;
    pub const EVENT_FILE_VERSION: u64 = 3;
    pub const EVENT_SUMMARY: u64 = 5;
    pub const EVENT_SESSION_LOG: u64 = 7;
    pub const SUMMARY_VALUE: u64 = 1;
    pub const VALUE_TAG: u64 = 1;
    pub const VALUE_SIMPLE: u64 = 2;
    pub const SESSION_STATUS: u64 = 1;
}

/// `SessionLog.SessionStatus.START`: later events replace those of earlier files from this step on.
const SESSION_START: u64 = 1;

/// What the names of event files begin with; the second in which they begin follows.
const PREFIX: &str = "events.out.tfevents.";

/// The last second of ten digits, in the year 2286: more digits would not sort as text.
const LATEST: u64 = 9_999_999_999;

/// One event file, open at its end.
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
    /// Seconds by which its times are ahead of the clock, where an earlier file was made by a
    /// clock that was ahead of this one.
    ahead: f64,
}

impl EventFile {
    /// Creates a file whose name sorts after those already in `run_dir`, because TensorBoard reads
    /// them in the order of their names. The clock alone cannot order them: another machine's may
    /// be behind.
    pub(super) fn create(run_dir: &Path) -> Result<Self, MetricsError> {
        let now = wall_time() as u64;
        let newest = newest(run_dir).map_err(io_error(run_dir))?;
        let seconds = match newest.as_deref().and_then(seconds_of) {
            Some(newest) if newest >= now => (newest + 1).min(LATEST),
            _ => now,
        };
        let mut part = 0;
        let (path, file) = loop {
            let mut name = format!("{PREFIX}{seconds:010}.fpo.{part:03}");
            if let Some(newest) = newest.as_ref().filter(|newest| **newest >= name) {
                // There is no later second, or another program has named it.
                name = format!("{newest}.{part:03}");
            }
            let path = run_dir.join(name);
            match File::create_new(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => part += 1,
                Err(error) => return Err(io_error(&path)(error)),
            }
        };
        let ahead = seconds.saturating_sub(now) as f64;
        let mut events = Self { path, file, ahead };
        let mut version = Message::default();
        version.text(field::EVENT_FILE_VERSION, "brain.Event:2");
        events.record(None, version)?;
        Ok(events)
    }

    /// Makes readers discard everything later than `env_steps` in earlier files.
    pub(super) fn restart_after(&mut self, env_steps: u64) -> Result<(), MetricsError> {
        let (mut log, mut event) = (Message::default(), Message::default());
        log.integer(field::SESSION_STATUS, SESSION_START);
        event.message(field::EVENT_SESSION_LOG, &log);
        self.record(Some(env_steps + 1), event)
    }

    /// Writes a row's values and timings as one event.
    pub(super) fn write(&mut self, row: &Row) -> Result<(), MetricsError> {
        let mut summary = Message::default();
        let mut scalar = |tag: &str, value: f64| {
            let mut message = Message::default();
            message.text(field::VALUE_TAG, tag);
            message.float(field::VALUE_SIMPLE, value as f32);
            summary.message(field::SUMMARY_VALUE, &message);
        };
        for &(name, value) in &row.values {
            scalar(name, value);
        }
        for (name, value) in &row.extras {
            scalar(&format!("{EXTRAS}{name}"), *value);
        }
        for &(name, value) in &row.timing {
            scalar(&format!("time/{name}"), value);
        }
        let mut event = Message::default();
        event.message(field::EVENT_SUMMARY, &summary);
        self.record(Some(row.env_steps), event)
    }

    pub(super) fn sync(&mut self) -> Result<(), MetricsError> {
        still_at(&self.file, &self.path)
            .and_then(|()| sync(&self.file))
            .map_err(io_error(&self.path))
    }

    /// Appends an event with the current time, in one write, so that a reader never sees part of a
    /// record.
    fn record(&mut self, step: Option<u64>, content: Message) -> Result<(), MetricsError> {
        let mut event = Message::default();
        event.double(field::EVENT_WALL_TIME, wall_time() + self.ahead);
        if let Some(step) = step {
            event.integer(field::EVENT_STEP, step);
        }
        event.0.extend(content.0);
        let length = (event.0.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(16 + event.0.len());
        record.extend(length);
        record.extend(masked_crc(&length).to_le_bytes());
        record.extend(&event.0);
        record.extend(masked_crc(&event.0).to_le_bytes());
        still_at(&self.file, &self.path)
            .and_then(|()| self.file.write_all(&record))
            .map_err(io_error(&self.path))
    }
}

/// The name of the event file of `folder` that sorts last, if there is one.
fn newest(folder: &Path) -> std::io::Result<Option<String>> {
    let mut newest = None;
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().into_string().ok();
        newest = newest.max(name.filter(|name| name.starts_with(PREFIX)));
    }
    Ok(newest)
}

/// The second in the name of an event file, if there is one.
fn seconds_of(name: &str) -> Option<u64> {
    let (seconds, _) = name.strip_prefix(PREFIX)?.split_once('.')?;
    seconds.parse().ok()
}

/// TFRecord's masked CRC-32C (rotated, plus a constant), for data that may itself contain
/// checksums.
fn masked_crc(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}

/// A protocol-buffer message being encoded, field by field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn integer(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, field: u64, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u64, value: &Message) {
        self.bytes(field, &value.0);
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    /// Seven bits per byte, the lowest first; the top bit marks that more bytes follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
