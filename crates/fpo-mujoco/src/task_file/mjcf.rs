//! A model file (MJCF) of unknown origin, made safe for MuJoCo's compiler.
//!
//! The compiler opens whatever file a model names, and allocates whatever it asks for. So it never
//! sees the model itself: this module parses the XML, reads the named files, all of which must lie
//! in the model's folder, checks sizes, and writes the XML anew, with plain names for the files,
//! which the compiler then finds in memory. Comments and document types are not passed on. Every
//! element stays in its line, so that MuJoCo's messages name the right one.

use super::fault::nearest;
use fpo_files::{quoted, read_capped};
use roxmltree::{Document, Node, NodeType, ParsingOptions};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Bound on the size of an XML file.
const LARGEST_XML: u64 = 16 << 20;
/// Bound on the size of a mesh, a texture or a height field.
const LARGEST_ASSET: u64 = 64 << 20;
/// Bound on all files of a model together.
const LARGEST_MODEL: u64 = 256 << 20;
/// Bound on the number of files.
const MOST_FILES: usize = 1000;
/// Bound on the elements of an XML file.
const MOST_NODES: u32 = 200_000;
/// Bound on the attributes of an element, which the XML parser compares with one another.
const MOST_ATTRIBUTES: usize = 1000;
/// Bound on the nesting of elements, which MuJoCo's compiler visits recursively.
const DEEPEST: usize = 100;
/// Bound on the copies that `replicate`, `composite` and `flexcomp` make.
const MOST_COPIES: f64 = 10_000.0;

/// Bounds on attributes with which a short file could ask for endless memory or time. A list of
/// numbers counts as their product.
const BOUNDS: [(&str, f64); 30] = [
    ("ccd_iterations", 10_000.0),
    ("height", 4096.0),
    ("iterations", 10_000.0),
    ("ls_iterations", 10_000.0),
    ("maxhullvert", 100_000.0),
    ("nconmax", 1e6),
    ("ncol", 2048.0),
    ("njmax", 1e6),
    ("nkey", 1000.0),
    ("noslip_iterations", 10_000.0),
    ("nrow", 2048.0),
    ("nsample", 10_000.0),
    ("nstack", 1e7),
    ("numquads", 1000.0),
    ("numslices", 1000.0),
    ("numstacks", 1000.0),
    ("nuser_actuator", 1000.0),
    ("nuser_body", 1000.0),
    ("nuser_cam", 1000.0),
    ("nuser_geom", 1000.0),
    ("nuser_jnt", 1000.0),
    ("nuser_sensor", 1000.0),
    ("nuser_site", 1000.0),
    ("nuser_tendon", 1000.0),
    ("nuserdata", 1e6),
    ("offheight", 8192.0),
    ("offwidth", 8192.0),
    ("resolution", 8192.0 * 8192.0),
    ("sdf_initpoints", 10_000.0),
    ("shadowsize", 16_384.0),
];

/// Elements that would load code or other models.
const REFUSED: [(&str, &str); 4] = [
    ("plugin", "plugins are not supported"),
    ("extension", "plugins are not supported"),
    (
        "model",
        "models of models are not supported; include them with `<include>`",
    ),
    (
        "attach",
        "models of models are not supported; include them with `<include>`",
    ),
];

/// A model for MuJoCo's compiler, and the files that it was made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mjcf {
    /// Plain names and contents; the first is the model.
    pub(crate) compiled: Vec<(String, Vec<u8>)>,
    /// The files themselves, by their path from the model's folder.
    pub(crate) sources: Vec<(PathBuf, Vec<u8>)>,
    /// For each plain name of an XML file the one that the user knows.
    names: Vec<(String, String)>,
}

impl Mjcf {
    /// Reads the model `file` and everything that it names.
    ///
    /// # Errors
    /// If a file is missing, outside of the model's folder, or asks for too much: one line.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let name = PathBuf::from(file.file_name().unwrap_or_default());
        let mut reader = Reader {
            canonical: canonical(folder)?,
            folder: folder.to_owned(),
            texts: Vec::new(),
            assets: BTreeMap::new(),
            total: 0,
        };
        reader.load_xml(&name, &name.display().to_string(), 0)?;
        reader.rewrite()
    }

    /// A message of MuJoCo's compiler, with the names that the user knows.
    pub(crate) fn translate(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for (plain, known) in &self.names {
            message = message.replace(plain, known);
        }
        message
    }
}

fn canonical(path: &Path) -> Result<PathBuf, String> {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    path.canonicalize()
        .map_err(|e| format!("cannot read {}: {e}", quoted(path)))
}

/// An XML file that was read.
struct Text {
    /// Its path from the model's folder.
    path: PathBuf,
    text: String,
}

struct Reader {
    folder: PathBuf,
    /// The same without links.
    canonical: PathBuf,
    /// The model, and what it includes.
    texts: Vec<Text>,
    /// Meshes and the like by their path from the folder: plain name, and content.
    assets: BTreeMap<PathBuf, (String, Vec<u8>)>,
    /// Bytes so far.
    total: u64,
}

/// The folders in which the compiler looks for files.
#[derive(Default)]
struct Folders {
    meshes: String,
    textures: String,
    strip: bool,
}

impl Reader {
    /// Reads an XML file and those that it includes.
    fn load_xml(&mut self, path: &Path, known: &str, depth: usize) -> Result<(), String> {
        if self.texts.iter().any(|text| text.path == path) {
            return Err(format!("`{known}` is included more than once"));
        }
        if depth > 20 {
            return Err(format!("`{known}` is included over more than 20 files"));
        }
        let bytes = self.load(path, known, LARGEST_XML)?;
        let text = String::from_utf8(bytes).map_err(|_| format!("`{known}` is not UTF-8 text"))?;
        self.texts.push(Text {
            path: path.to_owned(),
            text: text.clone(),
        });
        let document = parse(&text, known)?;
        let lines = Lines::new(&text);
        for node in document
            .descendants()
            .filter(|node| node.has_tag_name("include"))
        {
            let line = lines.of(node);
            let place = format!("{known}:{line}");
            let Some(file) = node.attribute("file") else {
                return Err(format!("{place}: `include` names no `file`"));
            };
            let inner = inside(Path::new(file))
                .ok_or_else(|| format!("{place}: `{file}` is outside of the model's folder"))?;
            self.load_xml(&inner, file, depth + 1)
                .map_err(|why| format!("{place}: {why}"))?;
        }
        Ok(())
    }

    /// Reads a file in the model's folder.
    fn load(&mut self, path: &Path, known: &str, cap: u64) -> Result<Vec<u8>, String> {
        let full = self.folder.join(path);
        let real = full.canonicalize().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                format!("there is no file `{known}`{}", self.nearest(path))
            }
            _ => format!("cannot read `{known}`: {e}"),
        })?;
        if !real.starts_with(&self.canonical) {
            return Err(format!("`{known}` is a link out of the model's folder"));
        }
        if self.texts.len() + self.assets.len() >= MOST_FILES {
            return Err(format!("the model has more than {MOST_FILES} files"));
        }
        let bytes = read_capped(&real, cap).map_err(|e| format!("cannot read `{known}`: {e}"))?;
        self.total += bytes.len() as u64;
        if self.total > LARGEST_MODEL {
            return Err(format!(
                "the model's files have more than {} MiB together",
                LARGEST_MODEL >> 20
            ));
        }
        Ok(bytes)
    }

    /// The nearest file beside a missing one.
    fn nearest(&self, path: &Path) -> String {
        let full = self.folder.join(path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let entries = full.parent().and_then(|folder| fs::read_dir(folder).ok());
        let entries = entries.into_iter().flatten().flatten().take(1000);
        let files: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        let near = nearest(&name, files.iter().map(String::as_str));
        match near.contains("did you mean") {
            true => near,
            false => String::new(),
        }
    }

    /// Writes all XML files anew.
    fn rewrite(mut self) -> Result<Mjcf, String> {
        let texts = std::mem::take(&mut self.texts);
        let plain = |i: usize| match i {
            0 => "model.xml".to_owned(),
            i => format!("include{i}.xml"),
        };
        let mut documents = Vec::new();
        for text in &texts {
            documents.push(parse(&text.text, &text.path.display().to_string())?);
        }
        let folders = folders(&documents);
        let mut mjcf = Mjcf::default();
        for (i, (text, document)) in texts.iter().zip(&documents).enumerate() {
            let known = text.path.display().to_string();
            let mut writer = Writer {
                known: &known,
                lines: Lines::new(&text.text),
                includes: texts.iter().map(|text| text.path.as_path()).collect(),
                plain: &plain,
                reader: &mut self,
                folders: &folders,
                out: String::with_capacity(text.text.len()),
                line: 1,
            };
            writer.element(document.root_element(), 0, 1.0)?;
            mjcf.compiled.push((plain(i), writer.out.into_bytes()));
            mjcf.names.push((plain(i), known));
        }
        for (path, (name, content)) in &self.assets {
            mjcf.compiled.push((name.clone(), content.clone()));
            mjcf.names.push((name.clone(), path.display().to_string()));
        }
        // Longer names first, so that `include1.xml` is not found in `include11.xml`'s place.
        mjcf.names
            .sort_by_key(|(plain, _)| std::cmp::Reverse(plain.len()));
        let texts = texts
            .into_iter()
            .map(|text| (text.path, text.text.into_bytes()));
        let assets = self
            .assets
            .into_iter()
            .map(|(path, (_, content))| (path, content));
        mjcf.sources = texts.chain(assets).collect();
        Ok(mjcf)
    }
}

fn parse<'a>(text: &'a str, known: &str) -> Result<Document<'a>, String> {
    // No `<` stands in an element but its first byte.
    let mut elements = text.split('<');
    if elements.any(|element| element.bytes().filter(|&b| b == b'=').count() > MOST_ATTRIBUTES) {
        return Err(format!(
            "{known}: an element has more than {MOST_ATTRIBUTES} attributes"
        ));
    }
    let options = ParsingOptions {
        nodes_limit: MOST_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options).map_err(|e| {
        let row = e.pos().row;
        format!("{known}:{row}: it is not valid XML: {e}")
    })
}

/// The places of a text's lines.
struct Lines {
    /// The first byte of each line.
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = [0].into_iter().chain(ends.map(|(at, _)| at + 1));
        Self {
            starts: starts.collect(),
        }
    }

    /// The line, counted from 1, on which an element begins.
    fn of(&self, node: Node) -> usize {
        let at = node.range().start;
        self.starts.partition_point(|start| *start <= at)
    }
}

/// What the `compiler` elements say; the last one counts.
fn folders(documents: &[Document]) -> Folders {
    let mut folders = Folders::default();
    let nodes = documents.iter().flat_map(|document| document.descendants());
    for node in nodes.filter(|node| node.has_tag_name("compiler")) {
        if let Some(folder) = node.attribute("assetdir") {
            folders.meshes = folder.to_owned();
            folders.textures = folder.to_owned();
        }
        if let Some(folder) = node.attribute("meshdir") {
            folders.meshes = folder.to_owned();
        }
        if let Some(folder) = node.attribute("texturedir") {
            folders.textures = folder.to_owned();
        }
        if let Some(strip) = node.attribute("strippath") {
            folders.strip = strip == "true";
        }
    }
    folders
}

/// The path without `.` and `..`, if it stays inside.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut inner = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inner.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !inner.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!inner.as_os_str().is_empty()).then_some(inner)
}

/// Writes one XML file.
struct Writer<'a> {
    known: &'a str,
    lines: Lines,
    /// The XML files, in the order of their plain names.
    includes: Vec<&'a Path>,
    plain: &'a dyn Fn(usize) -> String,
    reader: &'a mut Reader,
    folders: &'a Folders,
    out: String,
    /// The line that is being written.
    line: usize,
}

impl Writer<'_> {
    fn element(&mut self, node: Node, depth: usize, copies: f64) -> Result<(), String> {
        let line = self.lines.of(node);
        let tag = node.tag_name().name();
        self.check(node, depth, copies)
            .map_err(|why| format!("{}:{line}: {why}", self.known))?;
        while self.line < line {
            self.out.push('\n');
            self.line += 1;
        }
        let _ = write!(self.out, "<{tag}");
        let mut unnamed = None;
        for attribute in node.attributes() {
            let name = attribute.name();
            let value = match name {
                "meshdir" | "texturedir" | "assetdir" => continue,
                _ if name.starts_with("file") => {
                    let plain = self
                        .file(tag, attribute.value())
                        .map_err(|why| format!("{}:{line}: {why}", self.known))?;
                    unnamed = Path::new(attribute.value()).file_stem();
                    plain
                }
                _ => attribute.value().to_owned(),
            };
            let _ = write!(self.out, " {name}=\"{}\"", escaped(&value));
        }
        // An element without a name is called as its file.
        let called = ["mesh", "texture", "hfield", "skin"].contains(&tag);
        if let Some(stem) = unnamed
            && called
            && !node.has_attribute("name")
        {
            let _ = write!(self.out, " name=\"{}\"", escaped(&stem.to_string_lossy()));
        }
        self.out.push('>');
        let copies = copies * count(node);
        for child in node.children() {
            match child.node_type() {
                NodeType::Element => self.element(child, depth + 1, copies)?,
                // Comments have no meaning, and MJCF knows no text but white space.
                _ => continue,
            }
        }
        let _ = write!(self.out, "</{tag}>");
        Ok(())
    }

    /// Refuses what is too large, and what loads code.
    fn check(&self, node: Node, depth: usize, copies: f64) -> Result<(), String> {
        let tag = node.tag_name().name();
        if depth > DEEPEST {
            return Err(format!("elements are nested deeper than {DEEPEST} levels"));
        }
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == tag) {
            return Err(format!("`{tag}`: {why}"));
        }
        if copies * count(node) > MOST_COPIES {
            return Err(format!("`{tag}` makes more than {MOST_COPIES} copies"));
        }
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            let bound = match (tag, name) {
                ("numeric", "size") | ("user", "dim") => 100_000.0,
                // A field of view in degrees, or an angle.
                ("camera" | "visual" | "global", "width" | "height") => continue,
                (_, "width") if tag == "texture" => 4096.0,
                ("size", "memory") => {
                    if memory(value) > f64::from(1 << 30) {
                        return Err("`memory` is more than 1G".to_owned());
                    }
                    continue;
                }
                _ => match BOUNDS.iter().find(|(bounded, _)| *bounded == name) {
                    Some((_, bound)) => *bound,
                    None => continue,
                },
            };
            if product(value) > bound {
                return Err(format!("`{name}` of `{tag}` is more than {bound}"));
            }
        }
        Ok(())
    }

    /// The plain name of a file that an element names.
    fn file(&mut self, tag: &str, file: &str) -> Result<String, String> {
        let outside = || format!("`{file}` is outside of the model's folder");
        if tag == "include" {
            let path = inside(Path::new(file)).ok_or_else(outside)?;
            let index = self.includes.iter().position(|known| *known == path);
            return Ok(index.map_or_else(String::new, |index| (self.plain)(index)));
        }
        let folder = match tag {
            "texture" => &self.folders.textures,
            _ => &self.folders.meshes,
        };
        let name = match self.folders.strip {
            true => Path::new(file).file_name().map_or(Path::new(""), Path::new),
            false => Path::new(file),
        };
        if name.is_absolute() || Path::new(folder).is_absolute() {
            return Err(outside());
        }
        let path = inside(&Path::new(folder).join(name)).ok_or_else(outside)?;
        if let Some((plain, _)) = self.reader.assets.get(&path) {
            return Ok(plain.clone());
        }
        let known = path.display().to_string();
        let content = self.reader.load(&path, &known, LARGEST_ASSET)?;
        let ending: String = path
            .extension()
            .map(|ending| ending.to_string_lossy().to_lowercase())
            .filter(|ending| ending.len() <= 8 && ending.chars().all(|c| c.is_ascii_alphanumeric()))
            .map_or_else(String::new, |ending| format!(".{ending}"));
        let plain = format!("asset{}{ending}", self.reader.assets.len());
        self.reader.assets.insert(path, (plain.clone(), content));
        Ok(plain)
    }
}

/// How many copies of its children an element makes, or how many elements it stands for.
fn count(node: Node) -> f64 {
    match (node.tag_name().name(), node.attribute("count")) {
        ("replicate" | "composite" | "flexcomp", Some(count)) => product(count).max(1.0),
        _ => 1.0,
    }
}

/// The product of the numbers of an attribute; of what is no number MuJoCo says so itself.
fn product(value: &str) -> f64 {
    let numbers = value.split_whitespace().map(|number| number.parse::<f64>());
    numbers.filter_map(Result::ok).map(f64::abs).product()
}

/// Bytes, as `1M` spells them.
fn memory(value: &str) -> f64 {
    let value = value.trim();
    let (number, unit) = match value.char_indices().last() {
        Some((at, unit)) if unit.is_alphabetic() => (&value[..at], unit.to_ascii_uppercase()),
        _ => (value, ' '),
    };
    let power = " KMGTPE".find(unit).unwrap_or(7);
    number.parse::<f64>().unwrap_or(0.0) * 1024_f64.powi(power as i32)
}

/// A value for an attribute in double quotes.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
