//! Embeds the migrations, and says in the binary which build it is.

use std::env;

fn main() {
    // Migrations are embedded in the binary.
    println!("cargo:rerun-if-changed=migrations");
    for variable in ["GIT_REF", "BUILD_NUMBER"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let given =
        |variable| env::var(variable).ok().map(|value| value.trim().to_owned()).filter(|it| !it.is_empty());
    let (commit, build) = (given("GIT_REF"), given("BUILD_NUMBER"));
    let short = commit.as_deref().map(|commit| commit.chars().take(12).collect::<String>());

    // SemVer build metadata: 0.1.0+42.5d41402abc4b. A build of a developer is the bare version.
    let metadata: Vec<&str> = [build.as_deref(), short.as_deref()].into_iter().flatten().collect();
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let code_version =
        if metadata.is_empty() { version } else { format!("{version}+{}", metadata.join(".")) };
    println!("cargo:rustc-env=CODE_VERSION={code_version}");
    println!("cargo:rustc-env=BUILD_COMMIT={}", commit.unwrap_or_default());
    println!("cargo:rustc-env=BUILD_NUMBER={}", build.unwrap_or_default());
}
