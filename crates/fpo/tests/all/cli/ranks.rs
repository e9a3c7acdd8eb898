//! A program without MPI that a launcher starts several times does not train the same run several
//! times.

use crate::cli::{fpo, quick, stderr};
use tempfile::TempDir;

#[test]
fn without_mpi_several_processes_are_refused_in_one_line() {
    let folder = TempDir::new().unwrap();
    let train = |more: &[&str], variables: [(&str, &str); 2]| {
        let mut command = fpo(&folder, &quick("run", more));
        let output = command.envs(variables).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    let slurm = |rank| [("SLURM_STEP_NUM_TASKS", "3"), ("SLURM_PROCID", rank)];
    let open_mpi = |rank| {
        [
            ("OMPI_COMM_WORLD_SIZE", "3"),
            ("OMPI_COMM_WORLD_RANK", rank),
        ]
    };
    for by in [slurm, open_mpi] {
        let (code, said) = train(&[], by("0"));
        assert_eq!((code, said.lines().count()), (Some(2), 1), "{said}");
        assert!(
            said.contains("one of 3 processes") && said.contains("--features mpi"),
            "{said}"
        );
        assert_eq!(train(&[], by("2")), (Some(2), String::new()));
    }
    assert!(!folder.path().join("runs").exists());
    let (code, said) = train(&["--independent"], slurm("1"));
    assert_eq!(code, Some(0), "{said}");
}
