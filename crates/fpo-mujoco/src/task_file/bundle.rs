//! The files of a task: the task file, its model, and everything that the model names.

use super::fault::{Fault, TaskFileError};
use super::mjcf::Mjcf;
use super::reader::Located;
use crate::model::Model;
use fpo_env::SourceFile;
use fpo_files::{quoted, read_capped};
use std::path::{Component, Path, PathBuf};

/// Bound on the size of a task file.
const LARGEST: u64 = 1 << 20;
/// Bounds on a compiled model: positions and velocities, and bytes.
const MOST_NUMBERS: i64 = 10_000;
const MOST_BYTES: i64 = 1 << 30;

/// The name under which a run keeps its task file.
pub(crate) const TASK_FILE: &str = "task.toml";

/// Reads a task file.
pub(crate) fn read_text(path: &Path) -> Result<String, TaskFileError> {
    let cannot = |why: &str| TaskFileError(format!("cannot read {}: {why}", quoted(path)));
    let bytes = read_capped(path, LARGEST).map_err(|e| cannot(&e.to_string()))?;
    String::from_utf8(bytes).map_err(|_| cannot("it is not UTF-8 text"))
}

/// Compiles the model that a task file in `folder` names. Returns it with its files, by their paths
/// from the folder; a model of the program has none.
pub(crate) fn compile(
    folder: &Path,
    name: &Located<String>,
) -> Result<(Model, Vec<SourceFile>), Fault> {
    let fault = |why: String| Fault::new(name.at, "model", why);
    let built_in = [
        ("suite:", crate::suite::MODEL_FILES),
        ("gym:", crate::gym::MODEL_FILES),
    ];
    for (prefix, files) in built_in {
        if let Some(file) = name.is.strip_prefix(prefix) {
            if !files.iter().any(|(known, _)| *known == file) {
                let known = files.iter().map(|(known, _)| *known);
                let known = known.filter(|known| !known.contains('/'));
                let near = super::fault::nearest(file, known);
                return Err(fault(format!("there is no model `{}`{near}", name.is)));
            }
            let model = Model::compile(file, files).map_err(|e| fault(e.0))?;
            return Ok((model, Vec::new()));
        }
    }
    let relative = Path::new(&name.is);
    let below = |c: Component| matches!(c, Component::Normal(_) | Component::CurDir);
    if name.is.is_empty() || !relative.components().all(below) {
        let why = "a model is named by its path from the task file's folder, and lies in it";
        return Err(fault(why.to_owned()));
    }
    let relative: PathBuf = relative
        .components()
        .filter(|c| matches!(c, Component::Normal(_)))
        .collect();
    let path = folder.join(&relative);
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let real = path
        .canonicalize()
        .map_err(|e| fault(format!("cannot read `{}`: {e}", name.is)))?;
    let real_folder = folder
        .canonicalize()
        .map_err(|e| fault(format!("cannot read {}: {e}", quoted(folder))))?;
    if !real.starts_with(real_folder) {
        let why = format!("`{}` is a link out of the task file's folder", name.is);
        return Err(fault(why));
    }
    let mjcf = Mjcf::read(&path).map_err(fault)?;
    let files: Vec<(&str, &[u8])> = mjcf
        .compiled
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    let model = Model::compile("model.xml", &files).map_err(|e| fault(mjcf.translate(&e.0)))?;
    let head = model.head();
    for (what, number, most) in [
        ("positions", head.nq, MOST_NUMBERS),
        ("velocities", head.nv, MOST_NUMBERS),
        ("sensor readings", head.nsensordata, MOST_NUMBERS * 10),
        ("bytes", head.nbuffer, MOST_BYTES),
        ("bytes of a simulation", head.narena, MOST_BYTES),
    ] {
        if number > most {
            return Err(fault(format!(
                "the model has {number} {what}, more than {most}"
            )));
        }
    }
    let beside = relative.parent().unwrap_or(Path::new(""));
    let files = mjcf.sources.into_iter().map(|(path, bytes)| SourceFile {
        path: beside.join(path),
        bytes,
    });
    Ok((model, files.collect()))
}
