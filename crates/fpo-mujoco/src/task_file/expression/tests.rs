//! What expressions are worth.

use super::{Arrays, Compiler, Named, Source};
use crate::task_file::quantities::World;
use std::f64::consts::{PI, TAU};

/// A simulation of seven positions and an action of two.
struct Numbers;

const POSITIONS: [f64; 7] = [1.0, -2.0, 3.0, 0.5, 0.0, 4.0, 9.0];

impl Arrays for Numbers {
    fn array(&self, source: Source) -> &[f64] {
        match source {
            Source::Positions => &POSITIONS,
            Source::Action => &[0.5, -0.25],
            Source::Time => &[0.75],
            _ => &[],
        }
    }
}

fn world() -> World {
    let mut world = World::default();
    (world.nq, world.actions, world.timestep) = (7, 2, 0.02);
    world
}

/// The numbers of `text` where its named values are `named`.
fn evaluate_with(text: &str, named: &[(&str, &str)]) -> Result<Vec<f64>, String> {
    let world = world();
    let named = named.iter().map(|(name, text)| Named {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    });
    let mut compiler = Compiler::new(&world, named.collect());
    let value = compiler.add(text).map_err(|error| error.why)?;
    let program = compiler.finish();
    let mut registers = program.registers();
    program.run(0..program.instructions.len(), &Numbers, &mut registers);
    Ok(registers[value.range()].to_vec())
}

fn evaluate(text: &str) -> Vec<f64> {
    evaluate_with(text, &[]).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn assert_near(text: &str, expected: &[f64]) {
    let found = evaluate(text);
    assert_eq!(found.len(), expected.len(), "{text}: {found:?}");
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() <= 1e-14 * b.abs().max(1.0),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn operators_bind_as_in_mathematics() {
    for (text, expected) in [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("8 / 2 / 2", 2.0),
        ("8 - 2 - 2", 4.0),
        ("-2 ^ 2", -4.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("2 ** -1", 0.5),
        ("2 * -3", -6.0),
        ("1e3 + .5 + 1_000", 2000.5),
        ("number(1 < 2 and not 2 < 1 or false)", 1.0),
        ("number(not 1 < 2)", 0.0),
        ("number(not (1 < 2) or 1 < 2)", 1.0),
        ("number(1 + 1 == 2)", 1.0),
        ("number(1 >= 1) + number(2 > 1) + number(1 != 1)", 2.0),
        ("1 # and a comment", 1.0),
    ] {
        assert_near(text, &[expected]);
    }
}

#[test]
fn functions_of_numbers_and_vectors() {
    for (text, expected) in [
        ("abs(-qpos[1])", &[2.0][..]),
        ("sqrt(qpos[5:])", &[2.0, 3.0]),
        ("square(qpos[0:2])", &[1.0, 4.0]),
        ("exp(log(3)) + tanh(0) + sin(0) + cos(0) + tan(0)", &[4.0]),
        ("asin(1) + acos(1) + atan(1)", &[0.75 * PI]),
        ("atan2(1, -1)", &[0.75 * PI]),
        ("floor([1.5, -1.5])", &[1.0, -2.0]),
        ("sign([3, 0, -2])", &[1.0, 0.0, -1.0]),
        ("wrap([4, -4, 1])", &[4.0 - TAU, TAU - 4.0, 1.0]),
        ("clip(qpos[0:3], -1, 2)", &[1.0, -1.0, 2.0]),
        ("min(qpos)", &[-2.0]),
        ("max(qpos)", &[9.0]),
        ("min(1, qpos[1], 3)", &[-2.0]),
        ("max(qpos[0:2], 0)", &[1.0, 0.0]),
        (
            "sum(qpos) + product([2, 3]) + mean([1, 3])",
            &[15.5 + 6.0 + 2.0],
        ),
        ("norm([3, 4])", &[5.0]),
        ("distance([1, 1], [4, 5])", &[5.0]),
        ("dot([1, 2, 3], [4, 5, 6])", &[32.0]),
        ("cross([1, 0, 0], [0, 1, 0])", &[0.0, 0.0, 1.0]),
        ("where(qpos[0:2] > 0, 1, [5, 6])", &[1.0, 6.0]),
        (
            "number([all(qpos[0:2] > 0), any(qpos[0:2] > 0)])",
            &[0.0, 1.0],
        ),
        ("degrees(pi) + radians(180)", &[180.0 + PI]),
        ("phase(0.5)", &[0.5]),
        ("clock(3, offset=0.25)", &[0.0, -1.0 + 0.0]),
        (
            "[qpos[0], [qpos[1], 7], action]",
            &[1.0, -2.0, 7.0, 0.5, -0.25],
        ),
        ("qpos[-2:]", &[4.0, 9.0]),
        ("qpos[:2][1]", &[-2.0]),
        ("qpos[0:3].z + qpos.x", &[4.0]),
        ("dt * 50", &[1.0]),
        // A quarter turn about z: its axes as columns.
        (
            "rotate([0, -1, 0, 1, 0, 0, 0, 0, 1], [1, 0, 0])",
            &[0.0, 1.0, 0.0],
        ),
        (
            "unrotate([0, -1, 0, 1, 0, 0, 0, 0, 1], [0, 1, 0])",
            &[1.0, 0.0, 0.0],
        ),
    ] {
        assert_near(text, expected);
    }
}

#[test]
fn tolerances_are_those_of_the_suite() {
    for (text, expected) in [
        ("tolerance(0)", 1.0),
        ("tolerance(0.1)", 0.0),
        (
            "tolerance(4, bounds=[10, inf], margin=10, sigmoid='linear', value_at_margin=0)",
            0.4,
        ),
        ("tolerance(4, [10, inf], 10, linear, 0)", 0.4),
        (
            "tolerance(2, margin=1)",
            (-0.5 * 4.0 * -2.0 * 0.1_f64.ln()).exp(),
        ),
    ] {
        assert_near(text, &[expected]);
    }
    // Each sigmoid is `value_at_margin` at one margin.
    for sigmoid in [
        "gaussian",
        "hyperbolic",
        "long_tail",
        "reciprocal",
        "cosine",
        "linear",
        "quadratic",
        "tanh_squared",
    ] {
        let text = format!("tolerance(qpos[0:2], [-1, 0], 1, '{sigmoid}', 0.3)");
        let found = evaluate(&text);
        assert!(
            found.iter().all(|x| (x - 0.3).abs() < 1e-12),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn values_use_one_another_in_any_order() {
    let named = [("a", "b + 1"), ("b", "2 * c"), ("c", "qpos[2]")];
    assert_eq!(evaluate_with("a * b", &named), Ok(vec![42.0]));
    let error = evaluate_with("a", &[("a", "1 + b"), ("b", "a")]).unwrap_err();
    assert!(error.contains("depends on itself: a → b → a"), "{error}");
}

#[test]
fn equal_parts_and_constants_are_computed_once() {
    let world = world();
    let mut compiler = Compiler::new(&world, Vec::new());
    compiler
        .add("sqrt(4) + exp(1) * tolerance(2, margin=1)")
        .unwrap();
    assert_eq!(compiler.len(), 0, "it is constant");
    compiler.add("norm(qpos[0:3]) + 1").unwrap();
    let instructions = compiler.len();
    compiler.add("2 * (1 + 0) * norm(qpos[0:3])").unwrap();
    assert_eq!(compiler.len(), instructions + 1, "one product more");
}

/// Nothing hides a number that is not finite.
#[test]
fn nan_goes_through() {
    let nan = "log(qpos[1])";
    for text in [
        "X + 1",
        "-X",
        "number(X < 1)",
        "number(X >= 1)",
        "number(not X < 1)",
        "number(X < 1 and false)",
        "number(X < 1 or true)",
        "where(X < 1, 1, 2)",
        "where(true, X, 1)",
        "min(X, 1)",
        "max(1, X)",
        "min([1, X, 2])",
        "clip(X, 0, 1)",
        "tolerance(X, [0, 1])",
        "tolerance(X, [0, 1], margin=1)",
        "sum([X, 1])",
        "norm([1, X])",
        "sign(X)",
        "wrap(X)",
        "floor(X)",
        "number(any([X < 1, true]))",
        "number(all([X < 1, false]))",
    ] {
        let text = text.replace('X', nan);
        assert!(evaluate(&text)[0].is_nan(), "{text}");
    }
}

#[test]
fn errors_say_where() {
    let world = world();
    for (text, at) in [
        ("1 + nose", 4),
        ("sqrt(1, 2)", 8),
        ("qpos[0] + qpos[17]", 14),
        ("1 +\n  * 2", 6),
    ] {
        let error = Compiler::new(&world, Vec::new()).add(text).unwrap_err();
        assert_eq!(error.at, at, "{text}: {}", error.why);
    }
}
