//! Paths of callers: what may be touched lies where it may be touched, whatever links there are.
//!
//! Input: a path; `$` stands for the folder that may be touched.
#![no_main]

use std::path::Component;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use loopsy::base::Code;
use loopsy_fuzz::scene::Scene;

static SCENE: LazyLock<Scene> = LazyLock::new(Scene::default);

fuzz_target!(|bytes: &[u8]| {
    let given = String::from_utf8_lossy(bytes).replace('$', SCENE.inside().to_str().unwrap());
    match SCENE.paths().resolve(&given) {
        Ok(real) => {
            assert!(SCENE.permits(&real), "{given} leads to {}", real.display());
            assert!(real.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_))));
            if let Ok(canonical) = real.canonicalize() {
                assert_eq!(canonical, real, "{given}");
            }
        }
        Err(error) => assert!(matches!(error.code, Code::InvalidRequest | Code::TransferPathDenied), "{error}"),
    }
});
