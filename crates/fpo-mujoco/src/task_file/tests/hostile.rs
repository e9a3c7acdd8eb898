//! Wrong and hostile models, and files that would exhaust the stack, the memory or the patience,
//! are each answered in one line.

use super::load;
use super::wrong_files::{FILE, MODEL, assert_answer};

/// What stands in the model, what stands there instead, and the answer.
pub(super) const IN_THE_MODEL: &[(&str, &str, &str)] = &[
    ("<worldbody>", "<worldbdy>", "not valid XML"),
    (
        "'plane'",
        "'plain'",
        "2: model: cannot compile `robot.xml`: XML Error",
    ),
    (
        "axis='0 1 0'",
        "axis='0 0 0'",
        "cannot compile `robot.xml`: ",
    ),
    ("timestep='0.01'", "timestep='0'", "has a time step of 0 s"),
    (
        "<option timestep='0.01'/>",
        "<option timestep='0.01' memory='1'/>",
        "Schema violation",
    ),
    // Files.
    (
        "<worldbody>",
        "<asset><mesh file='foot.stl'/></asset><worldbody>",
        "robot.xml:3: there is no file",
    ),
    (
        "<worldbody>",
        "<asset><mesh file='../foot.stl'/></asset><worldbody>",
        "robot.xml:3: `../foot.stl` is outside of the model's folder",
    ),
    (
        "<worldbody>",
        "<asset><mesh file='/etc/passwd'/></asset><worldbody>",
        "`/etc/passwd` is outside of the model's folder",
    ),
    (
        "<worldbody>",
        "<compiler meshdir='/etc'/><asset><mesh file='passwd'/></asset><worldbody>",
        "`passwd` is outside of the model's folder",
    ),
    (
        "<worldbody>",
        "<compiler texturedir='..'/><asset><texture type='2d' file='a.png'/></asset><worldbody>",
        "`a.png` is outside of the model's folder",
    ),
    (
        "<worldbody>",
        "<asset><texture type='cube' fileright='/dev/zero'/></asset><worldbody>",
        "`/dev/zero` is outside of the model's folder",
    ),
    (
        "<worldbody>",
        "<asset><mesh file='&#47;etc/passwd'/></asset><worldbody>",
        "`/etc/passwd` is outside of the model's folder",
    ),
    (
        "<worldbody>",
        "<asset><mesh file='robot.xml' content_type='model/stl'/></asset><worldbody>",
        "cannot compile `robot.xml`: ",
    ),
    (
        "<worldbody>",
        "<include file='../x.xml'/><worldbody>",
        "`../x.xml` is outside of the model's",
    ),
    (
        "<worldbody>",
        "<include file='robot.xml'/><worldbody>",
        "is included more than once",
    ),
    (
        "<worldbody>",
        "<include/><worldbody>",
        "`include` names no `file`",
    ),
    // Code and other models.
    (
        "<worldbody>",
        "<extension><plugin plugin='x'/></extension><worldbody>",
        "plugins are not supported",
    ),
    (
        "<worldbody>",
        "<asset><model name='x' file='robot.xml'/></asset><worldbody>",
        "models of models are not supported",
    ),
    // Entities and types.
    (
        "<mujoco",
        "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><mujoco",
        "not valid XML",
    ),
    ("model='robot'", "model='&a;'", "not valid XML"),
    // Sizes.
    (
        "timestep='0.01'",
        "timestep='1e-9'",
        "reset.settle: 1 s are more than 100000 physics steps",
    ),
    (
        "<worldbody>",
        "<worldbody><replicate count='1000000000'><geom size='1'/></replicate>",
        "`replicate` makes more than 10000 copies",
    ),
    (
        "<worldbody>",
        "<worldbody><replicate count='200'><replicate count='200'><geom size='1'/></replicate>\
         </replicate>",
        "`replicate` makes more than 10000 copies",
    ),
    (
        "<worldbody>",
        "<worldbody><flexcomp type='grid' count='1000 1000 1000' name='x'/>",
        "`flexcomp` makes more than 10000 copies",
    ),
    (
        "<worldbody>",
        "<asset><texture type='2d' builtin='flat' width='1000000' height='1000000'/></asset>\
         <worldbody>",
        "`width` of `texture` is more than 4096",
    ),
    (
        "<worldbody>",
        "<asset><hfield name='x' nrow='100000' ncol='100000' size='1 1 1 1'/></asset><worldbody>",
        "`nrow` of `hfield` is more than 2048",
    ),
    (
        "<worldbody>",
        "<size memory='1T'/><worldbody>",
        "`memory` is more than 1G",
    ),
    (
        "<worldbody>",
        "<size nuserdata='100000000'/><worldbody>",
        "`nuserdata` of `size` is more than",
    ),
    (
        "<worldbody>",
        "<custom><numeric name='x' size='1000000000' data='1'/></custom><worldbody>",
        "`size` of `numeric` is more than 100000",
    ),
    (
        "ctrlrange='-1 1'",
        "ctrlrange='1 1'",
        "cannot compile `robot.xml`: ",
    ),
    (
        "ctrlrange='-1 1'",
        "ctrlrange='nan 1'",
        "the ctrlrange of the actuator `hip` is NaN … 1",
    ),
    // Nothing to act with.
    (
        "<motor name='hip' joint='hip' ctrllimited='true' ctrlrange='-1 1'/>\n    \
         <motor name='free' joint='hip'/>",
        "",
        "the model has no actuators",
    ),
];

#[test]
fn wrong_and_hostile_models() {
    for (right, wrong, expected) in IN_THE_MODEL {
        assert!(MODEL.contains(right), "{right}");
        assert_answer(FILE, &MODEL.replacen(right, wrong, 1), wrong, expected);
    }
}

#[test]
fn deep_and_long_files() {
    let deep = |open: &str, close: &str, n: usize| open.repeat(n) + "1" + &close.repeat(n);
    for wrong in [
        deep("(", ")", 5000),
        deep("-", "", 5000),
        deep("not ", "", 2000),
        deep("[", "]", 5000),
        deep("sin(", ")", 3000),
        deep("1 ^ ", "", 3000),
        deep("1 + ", "", 4000),
        format!("qpos{}", "[0:1]".repeat(3000)),
        "x".repeat(30_000),
    ] {
        let text = FILE.replace("-sum(square(action))", &wrong);
        assert_answer(&text, MODEL, "a deep expression", "reward.effort: ");
    }
    let bodies = "<body>".repeat(5000) + &"</body>".repeat(5000);
    let model = MODEL.replace("<worldbody>", &("<worldbody>".to_owned() + &bodies));
    assert_answer(FILE, &model, "deep bodies", "nested deeper than 100 levels");
    let attributes: String = (0..50_000).map(|i| format!(" a{i}='1'")).collect();
    let model = MODEL.replace("<worldbody>", &format!("<worldbody{attributes}>"));
    assert_answer(
        FILE,
        &model,
        "attributes",
        "an element has more than 1000 attributes",
    );
    // As long as may be, and still answered in no time.
    let many = "<geom size='1'/>\n".repeat(90_000);
    let model = MODEL.replace("<worldbody>", &format!("<worldbody>{many}<nonsense/>"));
    assert_answer(FILE, &model, "many elements", "nonsense");
    let nested = format!("{}{FILE}", "a = [".repeat(10_000));
    assert_answer(&nested, MODEL, "a deep list", "");
    let bytes = "#".repeat(2 << 20);
    let error = load(&(FILE.to_owned() + &bytes), &[])
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("it is longer than 1048576 bytes"), "{error}");
}

#[test]
fn files_that_are_no_files() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("task.toml");
    for model in ["robot.xml", "robots"] {
        std::fs::write(&path, FILE.replace("robot.xml", model)).unwrap();
        std::fs::create_dir_all(folder.path().join("robots")).unwrap();
        let error = super::FileTask::load(&path).err().unwrap().to_string();
        assert!(error.contains("model: "), "{error}");
    }
    std::fs::write(&path, b"\xff\xfe").unwrap();
    let error = super::FileTask::load(&path).err().unwrap().to_string();
    assert!(error.contains("it is not UTF-8 text"), "{error}");
    let error = super::FileTask::load(folder.path())
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("it is not a regular file"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_are_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let outside = tempfile::TempDir::new().unwrap();
    let secret = outside.path().join("secret.xml");
    std::fs::write(&secret, "<mujocoinclude/>").unwrap();
    let path = folder.path().join("task.toml");
    std::fs::write(&path, FILE).unwrap();
    let model = folder.path().join("robot.xml");
    std::os::unix::fs::symlink(&secret, &model).unwrap();
    let error = super::FileTask::load(&path).err().unwrap().to_string();
    assert!(
        error.contains("is a link out of the task file's folder"),
        "{error}"
    );

    std::fs::remove_file(&model).unwrap();
    let including = MODEL.replace("<worldbody>", "<include file='part.xml'/><worldbody>");
    std::fs::write(&model, including).unwrap();
    std::os::unix::fs::symlink(&secret, folder.path().join("part.xml")).unwrap();
    let error = super::FileTask::load(&path).err().unwrap().to_string();
    assert!(
        error.contains("`part.xml` is a link out of the model's folder"),
        "{error}"
    );
}
