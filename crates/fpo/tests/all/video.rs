//! Decodes films and checks size, number of frames, timing, and the pictures.

use std::fs::{self, File};
use std::path::Path;

use fpo::video::{Format, Video};
use fpo_env::Picture;
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;
const FRAMES: u32 = 20;
const SIDE: u32 = 16;

/// A red square on a blue gradient, further right with every frame.
fn picture(frame: u32) -> Picture {
    let mut rgb = Vec::new();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            rgb.extend(if inside(frame, x, y) {
                [220, 30, 20]
            } else {
                [20, 40, (60 + x + y) as u8]
            });
        }
    }
    Picture {
        width: WIDTH,
        height: HEIGHT,
        rgb,
    }
}

fn inside(frame: u32, x: u32, y: u32) -> bool {
    (left(frame)..left(frame) + SIDE).contains(&x) && (24..24 + SIDE).contains(&y)
}

fn left(frame: u32) -> u32 {
    4 * frame
}

fn film(path: &Path, fps: f64) {
    let mut video = Video::create(path, WIDTH, HEIGHT, fps).unwrap();
    for frame in 0..FRAMES {
        video.frame(&picture(frame)).unwrap();
    }
    assert_eq!(video.frames(), u64::from(FRAMES));
    video.finish().unwrap();
}

/// Compares a decoded frame with its source picture: the largest and the mean difference of a
/// channel.
fn difference(rgb: &[u8], frame: u32) -> (u8, f64) {
    let expected = picture(frame).rgb;
    assert_eq!(rgb.len(), expected.len());
    let differences = rgb.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b));
    let mean = differences.clone().map(f64::from).sum::<f64>() / expected.len() as f64;
    (differences.max().unwrap(), mean)
}

/// Files in a folder, sorted.
fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn gif_shows_the_source_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("square.gif");
    film(&path, 30.0);
    assert_eq!(listing(folder.path()), ["square.gif"]);

    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(&path).unwrap()).unwrap();
    assert_eq!(
        (u32::from(decoder.width()), u32::from(decoder.height())),
        (WIDTH, HEIGHT)
    );
    assert_eq!(decoder.repeat(), gif::Repeat::Infinite);
    let mut canvas = vec![0; (3 * WIDTH * HEIGHT) as usize];
    let (mut frames, mut hundredths, mut area) = (0, 0, 0);
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        for (i, pixel) in frame.buffer.chunks_exact(4).enumerate() {
            let x = usize::from(frame.left) + i % usize::from(frame.width);
            let y = usize::from(frame.top) + i / usize::from(frame.width);
            if pixel[3] != 0 {
                canvas[3 * (y * WIDTH as usize + x)..][..3].copy_from_slice(&pixel[..3]);
            }
        }
        // The picture has few colors, so the palette holds them all; a pixel counts as unchanged
        // within a distance² of 27.
        let (largest, _) = difference(&canvas, frames);
        assert!(largest <= 5, "frame {frames} differs by {largest}");
        frames += 1;
        hundredths += u32::from(frame.delay);
        area += u32::from(frame.width) * u32::from(frame.height);
    }
    assert_eq!(frames, FRAMES);
    assert_eq!(hundredths, 67, "20 frames at 30 a second last 0.67 s");
    assert!(
        area < WIDTH * HEIGHT + FRAMES * 2 * SIDE * SIDE,
        "only what moves is stored, not {area} pixels"
    );
}

#[test]
fn gif_with_many_colors_is_close() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.gif");
    let rgb: Vec<u8> = (0..128u32 * 128)
        .flat_map(|i| [2 * (i % 128) as u8, 2 * (i / 128) as u8, 128])
        .collect();
    let mut video = Video::create(&path, 128, 128, 10.0).unwrap();
    // All colors are new in the second frame, so it needs a new palette.
    let turned: Vec<u8> = rgb
        .chunks(3)
        .flat_map(|c| [c[2], c[0], 255 - c[1]])
        .collect();
    for rgb in [&rgb, &turned] {
        video
            .frame(&Picture {
                width: 128,
                height: 128,
                rgb: rgb.clone(),
            })
            .unwrap();
    }
    video.finish().unwrap();

    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(&path).unwrap()).unwrap();
    for expected in [&rgb, &turned] {
        let frame = decoder.read_next_frame().unwrap().unwrap();
        assert_eq!((frame.width, frame.height), (128, 128));
        let mut sum = 0.0;
        for (shown, expected) in frame.buffer.chunks_exact(4).zip(expected.chunks_exact(3)) {
            // A pixel is transparent only if the previous frame has about the same color.
            if shown[3] != 0 {
                sum += (0..3)
                    .map(|c| f64::from(shown[c].abs_diff(expected[c])))
                    .sum::<f64>()
                    / 3.0;
            }
        }
        let mean = sum / f64::from(128 * 128);
        assert!(mean < 6.0, "a channel differs by {mean} on average");
    }
    assert!(decoder.read_next_frame().unwrap().is_none());
}

#[test]
fn mp4_shows_the_source_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("square.mp4");
    film(&path, 25.0);
    assert_eq!(listing(folder.path()), ["square.mp4"]);

    let mp4 = mp4::Mp4::parse(&fs::read(&path).unwrap());
    assert_eq!(
        mp4.timescale_and_duration.1 * 25,
        mp4.timescale_and_duration.0 * u64::from(FRAMES)
    );
    let mut decoder = Decoder::new().unwrap();
    let mut rgb = vec![0; (3 * WIDTH * HEIGHT) as usize];
    let mut frames = 0;
    let mut see = |yuv: openh264::decoder::DecodedYUV<'_>| {
        assert_eq!(yuv.dimensions(), (WIDTH as usize, HEIGHT as usize));
        yuv.write_rgb8(&mut rgb);
        let (_, mean) = difference(&rgb, frames);
        assert!(mean < 5.0, "frame {frames} differs by {mean} on average");
        // The square is red and nothing else is; its rim blurs with the background.
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let near = |d: i64| {
                    let (dx, dy) = (i64::from(x) - i64::from(left(frames)), i64::from(y) - 24);
                    (-d..i64::from(SIDE) + d).contains(&dx)
                        && (-d..i64::from(SIDE) + d).contains(&dy)
                };
                let red = rgb[3 * (y * WIDTH + x) as usize] > 120;
                assert!(red || !near(-2), "frame {frames}: ({x}, {y}) should be red");
                assert!(
                    !red || near(2),
                    "frame {frames}: ({x}, {y}) should not be red"
                );
            }
        }
        frames += 1;
    };
    assert!(decoder.decode(&mp4.parameter_sets).unwrap().is_none());
    for sample in &mp4.samples {
        if let Some(yuv) = decoder.decode(sample).unwrap() {
            see(yuv);
        }
    }
    for yuv in decoder.flush_remaining().unwrap() {
        see(yuv);
    }
    assert_eq!(frames, FRAMES);
}

#[test]
fn the_same_pictures_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["gif", "mp4"] {
        let [a, b] = ["a", "b"].map(|name| {
            let path = folder.path().join(format!("{name}.{ending}"));
            film(&path, 25.0);
            fs::read(path).unwrap()
        });
        assert!(a == b, "{ending}");
    }
}

#[test]
fn an_unfinished_film_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.gif", "a.mp4"] {
        let path = folder.path().join(name);
        let mut video = Video::create(&path, WIDTH, HEIGHT, 25.0).unwrap();
        video.frame(&picture(0)).unwrap();
        drop(video);
        let empty = Video::create(&path, WIDTH, HEIGHT, 25.0)
            .unwrap()
            .finish()
            .unwrap_err();
        assert!(empty.to_string().contains("without a frame"), "{empty}");
    }
    assert!(listing(folder.path()).is_empty());
}

#[test]
fn a_film_replaces_an_older_one_only_when_finished() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.gif");
    fs::write(&path, "old").unwrap();
    let mut video = Video::create(&path, WIDTH, HEIGHT, 25.0).unwrap();
    video.frame(&picture(0)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    video.finish().unwrap();
    assert!(fs::read(&path).unwrap().starts_with(b"GIF89a"));
}

#[test]
fn impossible_films_are_rejected_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let create = |name: &str, width, height, fps| {
        let error = Video::create(folder.path().join(name), width, height, fps)
            .err()
            .expect("an error");
        let line = format!("{error:#}");
        assert!(!line.contains('\n'), "{line}");
        line
    };
    assert!(create("a.avi", 64, 64, 25.0).contains("neither a .mp4 nor a .gif"));
    assert!(create("a", 64, 64, 25.0).contains("neither a .mp4 nor a .gif"));
    assert!(create("a.mp4", 641, 480, 25.0).contains("try 642×480"));
    assert!(create("a.mp4", 0, 0, 25.0).contains("16×16 to 3840×2160"));
    assert!(create("a.mp4", 5000, 200, 25.0).contains("16×16 to 3840×2160"));
    assert!(create("a.gif", 0, 64, 25.0).contains("at least one pixel"));
    assert!(create("a.gif", 70_000, 64, 25.0).contains("65535"));
    assert!(create("a.gif", 64, 64, 100.0).contains("at most 50 frames a second"));
    assert!(create("a.mp4", 64, 64, f64::NAN).contains("frames a second"));
    assert!(create("missing/a.mp4", 64, 64, 25.0).contains("No such file"));
    let mut video = Video::create(folder.path().join("a.gif"), 64, 64, 25.0).unwrap();
    assert!(
        video
            .frame(&picture(0))
            .unwrap_err()
            .to_string()
            .contains("does not fit")
    );
    assert_eq!(Format::from_path(Path::new("A.MP4")).unwrap(), Format::Mp4);
}

/// A parser of ISO/IEC 14496-12 and -15, as far as needed to find the samples of a one-track film.
mod mp4 {
    pub struct Mp4 {
        /// SPS and PPS, each after a start code.
        pub parameter_sets: Vec<u8>,
        /// The samples, each NAL unit after a start code.
        pub samples: Vec<Vec<u8>>,
        /// Units per second of the track, and its length in them.
        pub timescale_and_duration: (u64, u64),
    }

    impl Mp4 {
        pub fn parse(file: &[u8]) -> Self {
            let moov = child(file, b"moov");
            let media = child(child(moov, b"trak"), b"mdia");
            let header = child(media, b"mdhd");
            assert_eq!(header[0], 0, "version");
            let table = child(child(media, b"minf"), b"stbl");
            // stsd: version, count, then avc1, whose boxes begin after 86 bytes.
            let entry = &child(table, b"stsd")[8..];
            let avc = child(&entry[86..], b"avcC");
            let mut parameter_sets = Vec::new();
            let mut rest = &avc[6..];
            for count in [avc[5] & 31, 1] {
                for _ in 0..count {
                    let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                    parameter_sets.extend([0, 0, 0, 1]);
                    parameter_sets.extend(&rest[2..2 + length]);
                    rest = &rest[2 + length..];
                }
                rest = rest.get(1..).unwrap_or_default();
            }
            let sizes = child(table, b"stsz");
            let offsets = child(table, b"stco");
            let runs = child(table, b"stsc");
            let mut samples = Vec::new();
            let mut sizes = (0..u32_at(sizes, 8)).map(|i| u32_at(sizes, 12 + 4 * i));
            let entries = u32_at(runs, 4);
            for chunk in 0..u32_at(offsets, 4) {
                let mut at = u32_at(offsets, 8 + 4 * chunk);
                let run = (0..entries)
                    .rfind(|i| u32_at(runs, 8 + 12 * i) <= chunk + 1)
                    .unwrap();
                for _ in 0..u32_at(runs, 12 + 12 * run) {
                    let size = sizes.next().unwrap();
                    samples.push(annex_b(&file[at..at + size]));
                    at += size;
                }
            }
            assert!(sizes.next().is_none());
            let timescale_and_duration = (u32_at(header, 12) as u64, u32_at(header, 16) as u64);
            Self {
                parameter_sets,
                samples,
                timescale_and_duration,
            }
        }
    }

    /// Replaces the lengths before NAL units by start codes.
    fn annex_b(mut sample: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while !sample.is_empty() {
            let length = u32_at(sample, 0);
            out.extend([0, 0, 0, 1]);
            out.extend(&sample[4..4 + length]);
            sample = &sample[4 + length..];
        }
        out
    }

    /// The content of the first box of a kind.
    fn child<'a>(mut boxes: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
        while boxes.len() >= 8 {
            let size = u32_at(boxes, 0);
            if &boxes[4..8] == kind {
                return &boxes[8..size];
            }
            boxes = &boxes[size..];
        }
        panic!("no box {}", String::from_utf8_lossy(kind));
    }

    fn u32_at(bytes: &[u8], at: usize) -> usize {
        u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    }
}
