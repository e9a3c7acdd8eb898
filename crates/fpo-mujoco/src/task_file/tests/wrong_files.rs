//! Wrong task files are each answered in one line that names the file, the line and the term.

use super::hostile::IN_THE_MODEL;
use super::load;

pub(super) const MODEL: &str = "<mujoco model='robot'>
  <option timestep='0.01'/>
  <worldbody>
    <geom name='floor' type='plane' size='1 1 1'/>
    <body name='torso' pos='0 0 1'>
      <freejoint name='root'/>
      <geom name='trunk' size='0.1'/>
      <site name='nose'/>
      <camera name='eye'/>
      <body name='leg' pos='0 0 -0.2'>
        <joint name='hip' axis='0 1 0' limited='true' range='-40 40'/>
        <geom name='shin' size='0.05'/>
      </body>
    </body>
    <body name='goal' mocap='true'/>
  </worldbody>
  <actuator>
    <motor name='hip' joint='hip' ctrllimited='true' ctrlrange='-1 1'/>
    <motor name='free' joint='hip'/>
  </actuator>
  <sensor><gyro name='gyro' site='nose'/></sensor>
  <keyframe><key name='home' qpos='0 0 1 1 0 0 0 0'/></keyframe>
</mujoco>
";

pub(super) const FILE: &str = "name = \"robot\"
model = \"robot.xml\"
decimation = 2
step_limit = 50
camera = \"eye\"

[command.speed]
range = [-1, 1]

[values]
height = \"body('torso').position.z\"
tilt = \"1 - body('torso').z_axis.z\"

[observation]
joints = \"joint('hip').position\"
gyro = \"sensor('gyro')\"
speed = \"command('speed')\"

[action]
actuators = \"hip\"

[reward]
high = { weight = 2, value = \"tolerance(height, bounds=[1, inf], margin=1)\" }
effort = \"-sum(square(action))\"

[termination]
fallen = \"height < 0.1\"

[move]
goal = \"[time, 0, 1]\"

[reset]
keyframe = \"home\"
settle = 1
position = { hip = \"limits\", root = { rotation = \"turn\" } }

[[randomize]]
property = \"mass\"
of = \"torso\"
scale = [0.5, 2]

[[push]]
body = \"torso\"
force = [0, 10]
every = 1
";

#[test]
fn the_file_that_is_not_wrong_loads() {
    let task = load(FILE, &[("robot.xml", MODEL)]).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(task.files.len(), 2);
}

/// What stands in the task file, what stands there instead, and the answer.
const IN_THE_FILE: &[(&str, &str, &str)] = &[
    // TOML.
    ("step_limit = 50", "step_limit = ", "task.toml:4: "),
    (
        "step_limit = 50",
        "step_limit = 50\nstep_limit = 51",
        "task.toml:5: duplicate key",
    ),
    ("[values]", "[values", "task.toml:10: "),
    // Keys.
    (
        "step_limit",
        "step_limits",
        "4: unknown key `step_limits`; did you mean `step_limit`?",
    ),
    (
        "weight = 2",
        "wieght = 2",
        "reward.high: unknown key `wieght`; did you mean `weight`?",
    ),
    ("[reward]", "[rewards]", "`reward` is missing"),
    ("name = \"robot\"\n", "", "1: `name` is missing"),
    ("model = \"robot.xml\"\n", "", "1: `model` is missing"),
    (
        "keyframe = \"home\"",
        "keyframes = \"home\"",
        "reset: unknown key `keyframes`; did you mean",
    ),
    ("scale = [0.5, 2]\n", "", "`scale` is missing"),
    ("force = [0, 10]\n", "", "`force` is missing"),
    // Types and ranges of values.
    ("\"robot\"", "3", "name: this is a text, not a number"),
    (
        "\"robot\"",
        "\"../robot\"",
        "name: a task's name has at most 100 letters",
    ),
    (
        "decimation = 2",
        "decimation = 0",
        "3: decimation: this is a whole number from 1 to 10000",
    ),
    (
        "decimation = 2",
        "decimation = 1.5",
        "decimation: this is a whole number",
    ),
    (
        "decimation = 2",
        "decimation = 99999999999999999999",
        "decimation: ",
    ),
    (
        "decimation = 2",
        "control_timestep = 0.015",
        "0.015 s is not a whole number of physics steps",
    ),
    (
        "decimation = 2",
        "decimation = 2\ncontrol_timestep = 0.02",
        "a file has `decimation` or `control_timestep`, not both",
    ),
    (
        "step_limit = 50",
        "step_limit = -1",
        "step_limit: this is a whole number from 1",
    ),
    (
        "weight = 2",
        "weight = nan",
        "this is NaN, not a finite number",
    ),
    (
        "weight = 2",
        "weight = \"1 / 0\"",
        "this is inf, not a finite number",
    ),
    ("weight = 2", "weight = \"heavy\"", "unknown name `heavy`"),
    (
        "weight = 2",
        "weight = \"time\"",
        "this must be known beforehand",
    ),
    (
        "range = [-1, 1]",
        "range = [1, -1]",
        "the first number of a range is the lower one",
    ),
    (
        "range = [-1, 1]",
        "range = [1, 2, 3]",
        "a range is `[low, high]`, not 3 numbers",
    ),
    (
        "range = [-1, 1]",
        "range = true",
        "this is a range, as `[-1, 1]`, not true or false",
    ),
    (
        "range = [-1, 1]",
        "range = [-1, 1]\nresample = 0",
        "these are seconds, above 0",
    ),
    (
        "range = [-1, 1]",
        "range = [-1, 1]\nzero = 2",
        "this is a number from 0 to 1",
    ),
    ("scale = [0.5, 2]", "scale = [0, 2]", "a factor is above 0"),
    ("force = [0, 10]", "force = [-1, 10]", "a force is from 0"),
    (
        "[[push]]",
        "[push]",
        "push: this is a list of tables, as `[[push]]`, not a table",
    ),
    // Names in the model.
    (
        "sensor('gyro')",
        "sensor('gyros')",
        "16: observation.gyro: there is no sensor `gyros`; did you",
    ),
    (
        "joint('hip')",
        "joint('hp')",
        "there is no joint `hp`; did you mean `hip`?",
    ),
    (
        "body('torso').position.z",
        "body('torzo').position.z",
        "11: values.height: there is no body",
    ),
    (
        "command('speed')",
        "command('sped')",
        "there is no command `sped`; did you mean `speed`?",
    ),
    (
        "keyframe = \"home\"",
        "keyframe = \"hone\"",
        "there is no keyframe `hone`; did you mean `home`?",
    ),
    (
        "camera = \"eye\"",
        "camera = \"ear\"",
        "camera: there is no camera `ear`",
    ),
    (
        "of = \"torso\"",
        "of = \"arm\"",
        "randomize[0]: there is no body `arm`",
    ),
    ("\"mass\"", "\"weight\"", "unknown property `weight`"),
    (
        "body = \"torso\"",
        "body = \"torsos\"",
        "push[0]: there is no body `torsos`",
    ),
    (
        "actuators = \"hip\"",
        "actuators = \"knee\"",
        "action.actuators: there is no actuator `knee`",
    ),
    (
        "actuators = \"hip\"",
        "actuators = [\"hip\", \"h*\"]",
        "action.actuators: `h*` names an actuator twice",
    ),
    (
        "actuators = \"hip\"",
        "actuators = \"free\"",
        "the actuator `free` has no ctrlrange",
    ),
    (
        "actuators = \"hip\"",
        "mode = \"ofset\"",
        "unknown mode `ofset`; did you mean `offset`?",
    ),
    (
        "actuators = \"hip\"",
        "scale = 2",
        "action.scale: this needs `mode = \"offset\"`",
    ),
    (
        "actuators = \"hip\"",
        "mode = \"offset\"\nscale = [1, 2, 3]",
        "action.scale: it has 3 entries for 2 actuators",
    ),
    (
        "actuators = \"hip\"",
        "actuators = \"hip\"\nrange = [1, 1]",
        "the range of an action is empty",
    ),
    (
        "root = { rotation",
        "rot = { rotation",
        "there is no joint `rot`; did you mean `root`?",
    ),
    (
        "rotation = \"turn\"",
        "rotation = \"turned\"",
        "unknown rotation `turned`; did you mean `turn`?",
    ),
    ("hip = \"limits\"", "root = \"limits\"", "duplicate key"),
    (
        "root = { rotation = \"turn\" }",
        "root = \"limits\"",
        "the joint `root` has no limits",
    ),
    (
        "hip = \"limits\"",
        "hip = { rotation = \"any\" }",
        "the joint `hip` has no rotation to draw",
    ),
    (
        "goal = \"[time",
        "torso = \"[time",
        "move.torso: `torso` is not a body with mocap=\"true\"",
    ),
    (
        "[time, 0, 1]",
        "[time, 0]",
        "a position has 3 numbers, and this is a vector of 2",
    ),
    (
        "[time, 0, 1]",
        "sensor('gyro')",
        "a body cannot be moved by what sensors",
    ),
    ("hip').position", "hip').angle", "a joint has no `.angle`"),
    (
        "z_axis.z",
        "z_axi.z",
        "a body has no `.z_axi`; did you mean",
    ),
    (
        "joint('hip').position",
        "joint('hip')",
        "a property of `joint` is missing: `.position`, `.velocity`",
    ),
    (
        "joint('hip').position",
        "joint(hip).position",
        "`joint` takes names in quotes",
    ),
    (
        "sensor('gyro')",
        "sensor()",
        "`sensor` takes a name in quotes",
    ),
    (
        "sensor('gyro')",
        "sensor('gyro').in('leg').x",
        "only bodies, sites and geoms have `.in`",
    ),
    // Expressions.
    (
        "height < 0.1",
        "heigt < 0.1",
        "termination.fallen: unknown name `heigt`; did you mean `height`?",
    ),
    ("height < 0.1", "height", "a termination is true or false"),
    ("height < 0.1", "height <", "it ends too early"),
    ("height < 0.1", "height < 0.1)", "`)` does not belong here"),
    (
        "height < 0.1",
        "(height < 0.1",
        "`)` is missing before the end",
    ),
    (
        "height < 0.1",
        "0 < height < 0.1",
        "comparisons cannot be chained",
    ),
    (
        "height < 0.1",
        "not height",
        "`not` takes what is true or false",
    ),
    (
        "height < 0.1",
        "height < 0.1 and 1",
        "`and` takes what is true or false",
    ),
    ("height < 0.1", "height ? 0.1", "`?` has no meaning here"),
    (
        "height < 0.1",
        "body('torso < 0.1",
        "a name in quotes does not end",
    ),
    (
        "-sum(square(action))",
        "-sums(square(action))",
        "unknown function `sums`; did you mean `sum`?",
    ),
    (
        "-sum(square(action))",
        "qvel",
        "a reward is one number, not a vector of 7",
    ),
    ("-sum(square(action))", "sqrt(1, 2)", "`sqrt` takes (x)"),
    (
        "-sum(square(action))",
        "clip(time)",
        "`clip` takes (x, low, high)",
    ),
    (
        "-sum(square(action))",
        "qvel[7]",
        "there is no element [7] in a vector of 7",
    ),
    (
        "-sum(square(action))",
        "qvel[9]",
        "[9] is outside of a vector of 7",
    ),
    (
        "-sum(square(action))",
        "sum(qvel[3:3])",
        "this part of the vector is empty",
    ),
    (
        "-sum(square(action))",
        "qvel[time]",
        "an index is a whole number",
    ),
    (
        "-sum(square(action))",
        "norm(qpos - qvel)",
        "`-` between a vector of 8 and a vector of 7",
    ),
    (
        "-sum(square(action))",
        "dot(qpos, qvel)",
        "`dot` of a vector of 8 and a vector of 7",
    ),
    (
        "-sum(square(action))",
        "cross(qpos, qvel).x",
        "this is a vector of 8, not a vector of 3",
    ),
    ("-sum(square(action))", "time.x", "a number has no `.x`"),
    (
        "-sum(square(action))",
        "'hip'",
        "is a name in quotes, which stands inside of",
    ),
    (
        "-sum(square(action))",
        "[]",
        "a vector has at least one number",
    ),
    (
        "-sum(square(action))",
        "clock(0)[0]",
        "a period is longer than 0 s",
    ),
    (
        "margin=1",
        "margins=1",
        "`tolerance` has no argument `margins`; did you mean `margin`?",
    ),
    ("margin=1", "margin=-1", "a margin is 0 or more"),
    ("margin=1", "margin=time", "this must be known beforehand"),
    (
        "margin=1",
        "margin=1, sigmoid='gausian'",
        "unknown sigmoid `gausian`; did you mean `gaussian`?",
    ),
    (
        "margin=1",
        "margin=1, value_at_margin=0",
        "the value at the margin is above 0 and below 1",
    ),
    (
        "bounds=[1, inf]",
        "bounds=[2, 1]",
        "the lower bound is above the upper one",
    ),
    ("bounds=[1, inf]", "bounds=1", "these are 2 numbers"),
    // Cycles, and names that are taken.
    (
        "tilt = \"1",
        "tilt = \"tilt + 1",
        "values.tilt: the value `tilt` depends on itself: tilt → tilt",
    ),
    (
        "z\"\ntilt = \"1",
        "z * tilt\"\ntilt = \"height",
        "in the value `tilt`: the value `height` depends on itself: height → tilt → height",
    ),
    ("tilt =", "sin =", "values.sin: `sin` has a meaning already"),
    ("tilt =", "\"a b\" =", "a name has at most 64 letters"),
    // Numbers that are not finite.
    (
        "-sum(square(action))",
        "log(-1)",
        "reward.effort: this is NaN, not a finite number",
    ),
    (
        "-sum(square(action))",
        "1 / 0",
        "this is inf, not a finite number",
    ),
    (
        "-sum(square(action))",
        "inf",
        "reward.effort: this is inf, not a finite number",
    ),
    (
        "-sum(square(action))",
        "log(0 * time - 1)",
        "24: reward.effort: this became NaN in step 1",
    ),
    (
        "-sum(square(action))",
        "1 / (time * 0)",
        "this became inf in step 1 of an episode",
    ),
    (
        "height < 0.1",
        "log(-1 - time) < 0.1",
        "termination.fallen: this became NaN",
    ),
    (
        "sensor('gyro')",
        "1e300 * (1 + time)",
        "observation.gyro: this became 1",
    ),
    // The model's place.
    (
        "robot.xml",
        "robots.xml",
        "2: model: cannot read `robots.xml`",
    ),
    (
        "robot.xml",
        "../robot.xml",
        "a model is named by its path from the task file's folder",
    ),
    (
        "robot.xml",
        "/etc/passwd",
        "a model is named by its path from the task file's folder",
    ),
    (
        "robot.xml",
        "suite:chetah.xml",
        "there is no model `suite:chetah.xml`; did you mean `cheetah.xml`?",
    ),
];

pub(super) fn assert_answer(text: &str, model: &str, what: &str, expected: &str) {
    let error = match load(text, &[("robot.xml", model)]) {
        Ok(_) => panic!("{what}: it was accepted"),
        Err(error) => error.to_string(),
    };
    assert!(error.starts_with("task.toml:"), "{what}: {error}");
    assert!(error.contains(expected), "{what}: {error}");
    assert!(
        !error.contains('\n') && error.len() < 700,
        "{what}: {error}"
    );
}

#[test]
fn wrong_task_files() {
    for (right, wrong, expected) in IN_THE_FILE {
        assert!(FILE.contains(right), "{right}");
        assert_answer(&FILE.replacen(right, wrong, 1), MODEL, wrong, expected);
    }
}

#[test]
fn there_are_at_least_sixty() {
    assert!(IN_THE_FILE.len() + IN_THE_MODEL.len() >= 60);
    println!("{} wrong files", IN_THE_FILE.len() + IN_THE_MODEL.len());
}
