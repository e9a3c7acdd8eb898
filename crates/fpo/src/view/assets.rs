//! The files of the pages, which are part of the program: it serves them without any folder of its
//! own, and without the network.

use super::http::Policy;

/// A file of `site/`.
pub(super) struct Asset {
    /// Its path there.
    pub(super) path: &'static str,
    pub(super) bytes: &'static [u8],
}

// The build script lists them.
include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// The page of a run.
const PAGE: &str = "view.html";

/// The file that these segments of an address lead to.
pub(super) fn find(segments: &[String]) -> Option<&'static Asset> {
    let path = match segments.join("/") {
        path if path.is_empty() => PAGE.to_owned(),
        // Browsers ask for it where a page names none, such as beside a film.
        path if path == "favicon.ico" => "icon.svg".to_owned(),
        path => path,
    };
    SITE.iter().find(|asset| asset.path == path)
}

impl Asset {
    pub(super) fn kind(&self) -> &'static str {
        match self.path.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("wasm") => "application/wasm",
            Some("json") => "application/json",
            _ => "application/octet-stream",
        }
    }

    /// A tag that changes with the file.
    pub(super) fn tag(&self) -> String {
        format!("\"{}\"", &blake3::hash(self.bytes).to_hex()[..20])
    }

    pub(super) fn policy(&self) -> Policy {
        match self.path {
            PAGE => Policy::Page,
            // A worker's is that of its script.
            path if path.ends_with(".html") || path.ends_with(".js") => Policy::Figures,
            _ => Policy::Data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_has_what_its_pages_need() {
        let bytes: usize = SITE.iter().map(|asset| asset.bytes.len()).sum();
        assert!(bytes < 4 << 20, "{bytes}");
        for path in [
            "",
            "index.html",
            "style.css",
            "js/main.js",
            "fpo.wasm",
            "js/view/main.js",
        ] {
            let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
            let asset = find(&segments).unwrap_or_else(|| panic!("{path}"));
            assert!(!asset.bytes.is_empty() && asset.kind() != "application/octet-stream");
        }
        assert!(find(&["test".into(), "server.mjs".into()]).is_none());
        assert!(find(&["..".into(), "Cargo.toml".into()]).is_none());
    }
}
