//! Storing parameters as named tensors and loading them back.

use fpo_nn::{Activation, Mlp, MlpError, MlpSpec, TensorError, TensorRecord};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

fn network() -> Mlp {
    Mlp::new(MlpSpec {
        input: 3,
        hidden: vec![4],
        output: 2,
        activation: Activation::Silu,
    })
    .unwrap()
}

fn file(records: &[TensorRecord], dtype: Dtype) -> Vec<u8> {
    let views = records.iter().map(|r| {
        (
            r.name.as_str(),
            TensorView::new(dtype, r.shape.clone(), &r.bytes).expect("consistent"),
        )
    });
    serialize(views, None).unwrap()
}

fn load(records: &[TensorRecord]) -> Result<Vec<f32>, TensorError> {
    network().load(
        "policy.",
        &SafeTensors::deserialize(&file(records, Dtype::F32)).unwrap(),
    )
}

fn records() -> Vec<TensorRecord> {
    let mlp = network();
    let flat: Vec<f32> = (0..mlp.parameter_count()).map(|i| i as f32 - 3.5).collect();
    mlp.store("policy.", &flat)
}

#[test]
fn a_round_trip_keeps_every_number() {
    let mlp = network();
    let names: Vec<_> = records()
        .iter()
        .map(|r| (r.name.clone(), r.shape.clone()))
        .collect();
    assert_eq!(
        names,
        [
            ("policy.0.weight".to_owned(), vec![3, 4]),
            ("policy.0.bias".to_owned(), vec![4]),
            ("policy.1.weight".to_owned(), vec![4, 2]),
            ("policy.1.bias".to_owned(), vec![2]),
        ]
    );
    // The file may also contain another network and other tensors.
    let mut all = records();
    all.extend(mlp.store("value.", &vec![0.0; mlp.parameter_count()]));
    all.push(TensorRecord {
        name: "policy.scale".into(),
        shape: vec![1],
        bytes: vec![0; 4],
    });
    let loaded = load(&all).unwrap();
    assert!(loaded.iter().enumerate().all(|(i, &x)| x == i as f32 - 3.5));
}

#[test]
fn tensors_that_do_not_match_are_rejected() {
    let mut missing = records();
    missing.remove(1);
    assert_eq!(
        load(&missing),
        Err(TensorError::Missing("policy.0.bias".into()))
    );

    let mut reshaped = records();
    reshaped[0].shape = vec![4, 3];
    assert_eq!(
        load(&reshaped),
        Err(TensorError::Shape {
            name: "policy.0.weight".into(),
            found: vec![4, 3],
            expected: vec![3, 4]
        })
    );

    for bad in [f32::NAN, f32::INFINITY] {
        let mut poisoned = records();
        poisoned[2].bytes[8..12].copy_from_slice(&bad.to_le_bytes());
        assert_eq!(
            load(&poisoned),
            Err(TensorError::NotFinite("policy.1.weight".into()))
        );
    }

    let mut deeper = records();
    deeper.push(TensorRecord {
        name: "policy.2.bias".into(),
        shape: vec![2],
        bytes: vec![0; 8],
    });
    assert_eq!(
        load(&deeper),
        Err(TensorError::Unexpected("policy.2.bias".into()))
    );

    let bytes = file(&records(), Dtype::I32);
    let error = network()
        .load("policy.", &SafeTensors::deserialize(&bytes).unwrap())
        .unwrap_err();
    assert_eq!(
        error,
        TensorError::Type {
            name: "policy.0.weight".into(),
            found: "I32".into()
        }
    );
    assert_eq!(
        error.to_string(),
        "tensor `policy.0.weight` holds I32; f32 is needed"
    );
}

#[test]
fn impossible_networks_are_refused() {
    let spec = |hidden: Vec<usize>| MlpSpec {
        input: 2,
        hidden,
        output: 1,
        activation: Activation::Silu,
    };
    assert_eq!(
        Mlp::new(spec(vec![8, 0])).unwrap_err(),
        MlpError::Width { layer: 2, width: 0 }
    );
    assert_eq!(
        Mlp::new(spec(vec![1 << 20])).unwrap_err(),
        MlpError::Width {
            layer: 1,
            width: 1 << 20
        }
    );
    assert_eq!(
        Mlp::new(spec(vec![1; 64])).unwrap_err(),
        MlpError::Depth { layers: 65 }
    );
}
