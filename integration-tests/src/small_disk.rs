//! Commands on a disk that is soon full.

use std::{fs, process::Command};

use crate::home::Home;

/// The commands run in a mount namespace of their own, where the data directory is a small file system in memory. Where
/// none can be made, as for an ordinary user on some kernels, there is nothing to try. The exit code and all that was said.
pub fn on_small_disk(home: &Home, kib: u32, script: &str) -> Option<(i32, String)> {
    fs::create_dir_all(home.data()).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={kib}k,mode=700 tmpfs {data} || exit 99\nexport LAMOS_DATA_DIR={data} HOME={data}\nlamos={lamos}\n{script}",
        data = home.data().display(),
        lamos = home.lamos().display(),
    );
    let flags = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    let output = Command::new("unshare").args([flags, "sh", "-c", &script]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let code = output.status.code().unwrap_or(-1);
    if code == 99 || text.contains("unshare:") {
        eprintln!("not tried: no mount namespace can be made here: {text}");
        return None;
    }
    Some((code, text))
}
