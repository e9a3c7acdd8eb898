//! Models of several files.

use super::load;
use fpo_env::{Env, Task};

/// A tetrahedron.
const OBJ: &str = "v 0 0 0\nv 0.1 0 0\nv 0 0.1 0\nv 0 0 0.1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n";

const MAIN: &str = "<mujoco>
  <compiler meshdir='meshes' autolimits='true'/>
  <include file='parts/assets.xml'/>
  <worldbody>
    <body name='b' pos='0 0 1'><joint name='j' axis='0 1 0'/><geom mesh='foot' type='mesh'/>
      <geom mesh='other' type='mesh'/></body>
  </worldbody>
  <include file='./parts/../parts/drive.xml'/>
</mujoco>";

/// The mesh without a name is called as its file; both are read from `meshes/`.
const ASSETS: &str = "<mujocoinclude><asset>
  <mesh file='foot.obj'/>
  <mesh name='other' file='sub/foot.obj'/>
</asset></mujocoinclude>";

const DRIVE: &str = "<mujoco><actuator><motor joint='j' ctrlrange='-1 1'/></actuator></mujoco>";

const TASK: &str = "name = 'm'\nmodel = 'robot/main.xml'\n[observation]\nq = 'qpos'\n\
                    [reward]\nnone = 0";

#[test]
fn includes_and_meshes_are_found_beside_the_model() {
    let files = [
        ("robot/main.xml", MAIN),
        ("robot/parts/assets.xml", ASSETS),
        ("robot/parts/drive.xml", DRIVE),
        ("robot/meshes/foot.obj", OBJ),
        ("robot/meshes/sub/foot.obj", OBJ),
    ];
    let task = load(TASK, &files).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(task.make_env().unwrap().spec().observation_dim(), 1);
    // All of them are kept, as they are.
    let kept: Vec<_> = task
        .files()
        .iter()
        .map(|file| (file.path.to_str().unwrap(), file.bytes.as_slice()))
        .collect();
    let mut expected: Vec<_> = files.iter().map(|(p, c)| (*p, c.as_bytes())).collect();
    expected.push(("task.toml", TASK.as_bytes()));
    expected.sort();
    assert_eq!(kept, expected);
    // What is kept loads again, and so on.
    let copies: Vec<_> = kept
        .iter()
        .map(|(path, bytes)| (*path, str::from_utf8(bytes).unwrap()))
        .collect();
    assert_eq!(load(TASK, &copies).unwrap().files(), task.files());

    let error = |files: &[(&str, &str)]| load(TASK, files).err().unwrap().to_string();
    let missing = error(&files[..4]);
    assert!(
        missing.contains("parts/assets.xml:3: there is no file `meshes/sub/foot.obj`"),
        "{missing}"
    );
    let mut wrong = files;
    wrong[2].1 = "<mujoco>\n<actuator>\n<motor joint='k'/></actuator></mujoco>";
    let named = error(&wrong);
    assert!(named.contains("unknown transmission target 'k'"), "{named}");
    wrong[2].1 = "<mujoco>";
    let named = error(&wrong);
    assert!(
        named.contains("parts/drive.xml:1: it is not valid XML"),
        "{named}"
    );
}
