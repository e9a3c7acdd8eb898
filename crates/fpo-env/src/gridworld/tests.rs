//! Every layout: its cells, its moves, its starts, its states.

use super::*;
use crate::{Step, StepEnd};
use fpo_rng::{Key, Philox, Stream};

fn make(name: &str) -> (Box<dyn Env>, &'static Layout) {
    let task = tasks().find(|task| task.spec().name == name).unwrap();
    (task.make().unwrap(), layout(name).unwrap())
}

fn at(x: usize, y: usize) -> Position {
    Position { x, y }
}

/// Puts the environment at `position`.
fn place(env: &mut dyn Env, position: Position) {
    env.load_state(&[position.x as u8, position.y as u8])
        .unwrap();
}

/// The step that `action` makes from `from`, and where it ends.
fn step(name: &str, from: Position, action: [f32; 2]) -> (Step, [f32; 2]) {
    let (mut env, _) = make(name);
    place(env.as_mut(), from);
    let mut observation = [f32::NAN; 2];
    (env.step(&action, &mut observation), observation)
}

const RUNNING: Step = Step {
    reward: 0.0,
    end: StepEnd::Running,
};

#[test]
fn layouts_have_the_published_numbers_of_cells() {
    for (name, goals, deaths, walls) in [
        ("two_walls", 100, 0, 0),
        ("three_goals", 27, 9, 0),
        ("tree_in_the_middle", 10, 25, 0),
        ("two_slits", 25, 0, 17),
        ("c_shape", 25, 0, 31),
    ] {
        let layout = layout(&format!("gridworld-{name}")).unwrap();
        let count = |kind| {
            let all = (0..SIZE).flat_map(|y| (0..SIZE).map(move |x| at(x, y)));
            all.filter(|&p| layout.cell(p) == kind).count()
        };
        let found = (count(Cell::Goal), count(Cell::Death), count(Cell::Wall));
        assert_eq!(found, (goals, deaths, walls), "{name}");
        assert_eq!(layout.free().len(), SIZE * SIZE - goals - deaths - walls);
    }
    assert!(layout("gridworld-none").is_none());
}

/// The eight directions of moves.
fn directions() -> impl Iterator<Item = [i8; 2]> {
    (-1..=1)
        .flat_map(|dx| (-1..=1).map(move |dy| [dx, dy]))
        .filter(|d| *d != [0, 0])
}

/// Steps from each free cell to a goal, `[y][x]`, if there is a way.
fn distances(layout: &Layout) -> [[Option<u32>; SIZE]; SIZE] {
    let mut distances = [[None; SIZE]; SIZE];
    for steps in 1.. {
        let before = distances;
        let one_more = layout.free().iter().filter(|p| {
            directions().any(|d| {
                let q = layout.go(**p, d);
                layout.cell(q) == Cell::Goal || before[q.y][q.x].is_some()
            })
        });
        for p in one_more {
            distances[p.y][p.x].get_or_insert(steps);
        }
        if distances == before {
            break;
        }
    }
    distances
}

#[test]
fn a_fork_has_equally_short_ways_in_opposite_directions() {
    for (name, axis, steps) in [
        ("two_walls", 1, 11),
        ("three_goals", 0, 4),
        ("tree_in_the_middle", 1, 13),
        ("two_slits", 1, 14),
        ("c_shape", 1, 21),
    ] {
        let layout = layout(&format!("gridworld-{name}")).unwrap();
        let distances = distances(layout);
        let fork = layout.fork();
        let after = |d: &[i8; 2]| {
            let to = layout.go(fork, *d);
            distances[to.y][to.x]
        };
        assert_eq!(distances[fork.y][fork.x], Some(steps), "{name}");
        let best: Vec<_> = directions()
            .filter(|d| after(d) == Some(steps - 1))
            .collect();
        for sign in [-1, 1] {
            assert!(best.iter().any(|d| d[axis] == sign), "{name}: {best:?}");
        }
        assert!(best.iter().all(|d| d[axis] != 0), "{name}: {best:?}");
    }
}

#[test]
fn every_free_cell_has_a_way_to_a_goal_in_time() {
    for plan in &PLANS {
        let layout = layout(plan.name).unwrap();
        let distances = distances(layout);
        for p in layout.free() {
            let steps = distances[p.y][p.x];
            assert!(
                steps.is_some_and(|n| n <= STEP_LIMIT),
                "{}: {p:?} {steps:?}",
                plan.name
            );
        }
    }
}

#[test]
fn actions_are_rounded_and_borders_stop_each_axis_on_its_own() {
    let name = "gridworld-three_goals";
    let cell = |x, y| at(x, y).observation();
    for (action, to) in [
        ([1.0, 0.4], cell(4, 3)),
        ([-0.51, 0.51], cell(2, 4)),
        ([0.5, -0.5], cell(3, 3)),
        ([9.0, -9.0], cell(4, 2)),
    ] {
        assert_eq!(step(name, at(3, 3), action), (RUNNING, to), "{action:?}");
    }
    assert_eq!(step(name, at(0, 5), [-1.0, 1.0]), (RUNNING, cell(0, 6)));
    assert_eq!(step(name, at(24, 24), [1.0, 1.0]), (RUNNING, [1.0, 1.0]));
    assert_eq!(step(name, at(0, 0), [-1.0, -1.0]), (RUNNING, [-1.0, -1.0]));
}

#[test]
fn walls_stop_a_move_as_a_whole() {
    // The wall between the slits, from its left; its column is 15.
    let from = at(14, 12);
    for action in [[1.0, 0.0], [1.0, 1.0], [1.0, -1.0]] {
        let (outcome, observation) = step("gridworld-two_slits", from, action);
        assert_eq!(
            (outcome, observation),
            (RUNNING, from.observation()),
            "{action:?}"
        );
    }
    let (_, observation) = step("gridworld-two_slits", at(14, 5), [1.0, 0.0]);
    assert_eq!(observation, at(15, 5).observation(), "a slit is open");
}

#[test]
fn goals_and_death_end_the_episode() {
    let (goal, _) = step("gridworld-two_walls", at(7, 22), [0.0, 1.0]);
    assert_eq!((goal.reward, goal.end), (20.0, StepEnd::Terminated));
    let (death, _) = step("gridworld-three_goals", at(10, 10), [1.0, 1.0]);
    assert_eq!((death.reward, death.end), (-10.0, StepEnd::Terminated));
}

#[test]
fn starts_are_uniform_over_the_free_cells() {
    for plan in &PLANS {
        let (mut env, layout) = make(plan.name);
        let mut visits = vec![0u32; SIZE * SIZE];
        let rounds = 40;
        let starts = rounds * layout.free().len();
        let mut state = Vec::new();
        for k in 0..starts {
            let mut observation = [0.0; 2];
            env.reset(
                &mut Philox::new(Key::new(3, Stream::Reset).step(k as u64)),
                &mut observation,
            );
            state.clear();
            env.save_state(&mut state).unwrap();
            let p = at(state[0].into(), state[1].into());
            assert_eq!(layout.cell(p), Cell::Free, "{}: {p:?}", plan.name);
            assert_eq!(observation, p.observation());
            visits[p.y * SIZE + p.x] += 1;
        }
        // Each count is about Poisson with mean 40, whose standard deviation is 6.3.
        for &p in layout.free() {
            let n = visits[p.y * SIZE + p.x];
            assert!((8..80).contains(&n), "{}: {n} starts in {p:?}", plan.name);
        }
    }
}

#[test]
fn a_saved_state_continues_exactly_and_invalid_ones_are_rejected() {
    let (mut a, _) = make("gridworld-c_shape");
    let (mut b, _) = make("gridworld-c_shape");
    let mut seen = [[0.0; 2]; 2];
    a.reset(&mut Philox::new(Key::new(1, Stream::Reset)), &mut seen[0]);
    let mut state = Vec::new();
    a.save_state(&mut state).unwrap();
    b.load_state(&state).unwrap();
    for k in 0..50 {
        let action = [[1.0, 0.6], [0.0, -1.0], [-0.7, 0.2]][k % 3];
        let [left, right] = &mut seen;
        assert_eq!(a.step(&action, left), b.step(&action, right));
        assert_eq!(left, right);
    }
    for bytes in [&[][..], &[1], &[1, 2, 3], &[25, 0], &[0, 255], &[17, 12]] {
        assert!(b.load_state(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_map_of_ones_own_is_a_task_and_a_bad_one_an_error() {
    let empty = [".........................", "G........................"];
    let rows = |fork: &str| {
        let mut rows = vec![empty[0].to_owned(); SIZE - 2];
        rows.insert(0, empty[1].to_owned());
        rows.push(fork.to_owned());
        rows.join("\n")
    };
    let layout = Layout::parse(&rows("....o....................")).unwrap();
    assert_eq!(
        (layout.fork(), layout.cell(at(0, 24))),
        (at(4, 0), Cell::Goal)
    );
    let task = task("gridworld-drawn", "a map of one's own", Arc::new(layout));
    let mut env = task.make().unwrap();
    place(env.as_mut(), at(0, 23));
    let step = env.step(&[0.0, 1.0], &mut [0.0; 2]);
    assert_eq!((step.reward, step.end), (20.0, StepEnd::Terminated));

    for (fork, error) in [
        (empty[0], InvalidMap::Fork),
        ("o...................o....", InvalidMap::Fork),
        ("o...................é....", InvalidMap::Cell('é')),
        ("o........................o", InvalidMap::Shape),
        ("", InvalidMap::Shape),
    ] {
        assert_eq!(Layout::parse(&rows(fork)), Err(error));
    }
}

#[test]
fn the_picture_shows_the_layout_the_right_way_up_and_the_agent() {
    let (mut env, _) = make("gridworld-three_goals");
    place(env.as_mut(), at(2, 20));
    let picture = env.render(130, 104).unwrap();
    assert_eq!(picture.rgb.len(), 130 * 104 * 3);
    // Four pixels a cell, half a cell of margin, and (130 − 104) / 2 pixels to the left of the
    // square.
    let pixel = |x: usize, y: usize| {
        let (column, row) = (13 + 2 + 4 * x + 2, 2 + 4 * (SIZE - 1 - y) + 2);
        let i = 3 * (row * 130 + column);
        [picture.rgb[i], picture.rgb[i + 1], picture.rgb[i + 2]]
    };
    assert_eq!(pixel(2, 20), [37, 78, 219], "the agent");
    assert_eq!(pixel(12, 18), [94, 186, 125], "the upper goal");
    assert_eq!(pixel(7, 7), [94, 186, 125], "a lower goal");
    assert_eq!(pixel(12, 12), [224, 96, 88], "death");
    assert_eq!(pixel(12, 6), [255, 255, 255], "nothing");
    assert_eq!(env.render(1, 1).unwrap().rgb.len(), 3);
}
