//! `include/fpo.h` is what cbindgen makes of the sources now.

use std::fs;

#[test]
fn the_header_is_current() {
    let config = cbindgen::Config::from_file("cbindgen.toml").unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in ["src/status.rs", "src/policy.rs", "src/border.rs"] {
        builder = builder.with_src(source);
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    // Rust's word for what a caller has to guarantee.
    let header = String::from_utf8(header).unwrap();
    let header = header.replace("// # Safety\n// ", "// Requires: ");
    let path = "include/fpo.h";
    if std::env::var_os("FPO_RECORD").is_some() {
        fs::write(path, &header).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap_or_default() == header,
        "{path} is not current: FPO_RECORD=1 cargo test --release -p fpo-c header"
    );
    assert!(header.contains("fpo_policy_act("), "{header}");
}
