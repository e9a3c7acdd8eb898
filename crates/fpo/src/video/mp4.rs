//! H.264 by OpenH264, in an MP4 container.

#![allow(unsafe_code)]

use anyhow::{Context, Result, bail};
use muxide::api::{Muxer, MuxerBuilder, VideoCodec};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, QpRange,
    RateControlMode, VuiConfig,
};
use openh264::formats::{RgbSliceU8, YUVBuffer};

use super::Output;
use crate::output::MARK;
use std::io::{Seek, SeekFrom, Write};

/// Maximum average bits per pixel; rendered scenes with flat colors mostly need far fewer.
const BITS_PER_PIXEL: f64 = 0.25;
/// The finest and the coarsest quantizer used, of H.264's 0..=51: from no visible loss to a slight
/// one.
const QUANTIZER: QpRange = QpRange::new(14, 32);
/// Seconds between key frames, to which players can seek.
const SECONDS_PER_KEY_FRAME: f64 = 2.0;

/// An H.264 film being encoded.
pub(super) struct Mp4 {
    encoder: Encoder,
    muxer: Muxer<Output>,
    yuv: YUVBuffer,
    packet: Vec<u8>,
    width: usize,
    height: usize,
    fps: f64,
    frames: u64,
}

impl Mp4 {
    pub(super) fn new(output: Output, width: u32, height: u32, fps: f64) -> Result<Self> {
        // Color is stored at half the resolution, and OpenH264 takes no picture beyond level 5.2.
        if !width.is_multiple_of(2) || !height.is_multiple_of(2) {
            bail!(
                "an MP4 needs an even width and height, {width}×{height} is not: try {}×{}",
                width.next_multiple_of(2),
                height.next_multiple_of(2)
            );
        }
        if width.min(height) < 16 || width.max(height) > 3840 || width.min(height) > 2160 {
            bail!("an MP4 can be 16×16 to 3840×2160, not {width}×{height}");
        }
        let bits = f64::from(width) * f64::from(height) * fps * BITS_PER_PIXEL;
        let config = EncoderConfig::new()
            .rate_control_mode(RateControlMode::Quality)
            .bitrate(BitRate::from_bps(bits.clamp(200e3, 50e6) as u32))
            .max_frame_rate(FrameRate::from_hz(fps as f32))
            .qp(QUANTIZER)
            .intra_frame_period(IntraFramePeriod::from_num_frames(
                (fps * SECONDS_PER_KEY_FRAME).ceil() as u32,
            ))
            .skip_frames(false)
            // One thread gives the same bytes on every machine.
            .num_threads(1)
            // The color space of the conversion from RGB below.
            .vui(VuiConfig::bt601());
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), config)
            .context("cannot start the H.264 encoder")?;
        silence(&mut encoder);
        let muxer = MuxerBuilder::new(output)
            .video(VideoCodec::H264, width, height, fps)
            .build()?;
        let (width, height) = (width as usize, height as usize);
        let yuv = YUVBuffer::new(width, height);
        Ok(Self {
            encoder,
            muxer,
            yuv,
            packet: Vec::new(),
            width,
            height,
            fps,
            frames: 0,
        })
    }

    /// Appends a frame, `[height, width, 3]`.
    pub(super) fn frame(&mut self, rgb: &[u8]) -> Result<()> {
        self.yuv
            .read_rgb8(RgbSliceU8::new(rgb, (self.width, self.height)));
        let stream = self.encoder.encode(&self.yuv)?;
        self.packet.clear();
        stream.write_vec(&mut self.packet);
        let key = matches!(stream.frame_type(), FrameType::IDR | FrameType::I);
        self.muxer
            .write_video(self.frames as f64 / self.fps, &self.packet, key)?;
        self.frames += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Output> {
        self.muxer.finish_in_place()?;
        let mut output = self.muxer.into_writer();
        // A box that players skip.
        output.seek(SeekFrom::End(0))?;
        output.write_all(&(8 + MARK.len() as u32).to_be_bytes())?;
        output.write_all(b"free")?;
        output.write_all(MARK.as_bytes())?;
        Ok(output)
    }
}

/// Keeps OpenH264 from writing to stderr: it warns that a film without skipped frames may exceed
/// its bit rate, which is intended, and errors are returned as values anyway.
fn silence(encoder: &mut Encoder) {
    const TRACE_LEVEL: i32 = 25;
    let mut quiet: i32 = 0;
    // SAFETY: the option takes a pointer to an i32, reads it before the call returns, and does not
    // affect the encoding. If it is rejected, the warning is printed.
    unsafe {
        encoder
            .raw_api()
            .set_option(TRACE_LEVEL, (&raw mut quiet).cast())
    };
}
