//! How much memory there is: what the system can give, and what the process may have of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Bytes from which on the system is asked whether it has them: reading its answer takes far less
/// time than to write so many.
const MUCH: usize = 1 << 28;

/// [`Error::Memory`] if there is no memory for `numbers` more values of type `T`.
///
/// A failing allocation would abort the process, and Linux overcommits: it grants more memory than
/// there is, and kills a process that writes to it.
pub(crate) fn check_memory<T>(numbers: usize) -> Result<()> {
    let bytes = numbers.saturating_mul(size_of::<T>());
    let promised = Vec::<T>::new().try_reserve_exact(numbers).is_ok();
    if promised && (bytes < MUCH || is_available(bytes)) {
        Ok(())
    } else {
        Err(Error::Memory { bytes })
    }
}

/// Whether so many bytes can still be had, as far as the system says.
pub(crate) fn is_available(bytes: usize) -> bool {
    available().is_none_or(|available| bytes as u64 <= available)
}

/// The bytes that the process can still have, where the system says so.
fn available() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let of_system = read("/proc/meminfo").and_then(|meminfo| left_by_system(&meminfo));
    let own = read("/proc/self/cgroup").unwrap_or_default();
    let of_groups = left_by_groups(Path::new("/sys/fs/cgroup"), &own);
    of_system.into_iter().chain(of_groups).min()
}

/// What can be freed and swapped.
fn left_by_system(meminfo: &str) -> Option<u64> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
    };
    Some(bytes("MemAvailable:")?.saturating_add(bytes("SwapFree:").unwrap_or(0)))
}

/// What control groups leave of their limits: containers and services have one, and their processes
/// are killed above it. `own` is the text of `/proc/self/cgroup`.
///
/// Source: Linux, `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst`.
fn left_by_groups(mount: &Path, own: &str) -> Option<u64> {
    let groups = own.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (folder, files) = match controllers {
            "" => (mount.to_owned(), &VERSION_2),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (mount.join("memory"), &VERSION_1)
            }
            _ => return None,
        };
        Some((folder, path, files))
    });
    // Where a container sees groups from its own as the root, the path from the system's is missing
    // there, but the root remains.
    let limits = groups.flat_map(|(folder, path, files)| {
        let ancestors: Vec<PathBuf> = Path::new(path.trim_start_matches('/'))
            .ancestors()
            .map(|ancestor| folder.join(ancestor))
            .collect();
        ancestors.into_iter().filter_map(|group| files.left(&group))
    });
    limits.min()
}

/// The names of the files that tell a control group's memory.
struct GroupFiles {
    limit: &'static str,
    used: &'static str,
    /// The line of `memory.stat` with cached files that the kernel drops before it kills.
    inactive_file: &'static str,
}

const VERSION_1: GroupFiles = GroupFiles {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    inactive_file: "total_inactive_file ",
};

const VERSION_2: GroupFiles =
    GroupFiles { limit: "memory.max", used: "memory.current", inactive_file: "inactive_file " };

impl GroupFiles {
    /// The bytes that a group has left; none where it has no limit.
    fn left(&self, group: &Path) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(group.join(name)).ok();
        let limit: u64 = read(self.limit)?.trim().parse().ok()?;
        let used: u64 = read(self.used)?.trim().parse().ok()?;
        let droppable = read("memory.stat").and_then(|stat| {
            let line = stat.lines().find_map(|line| line.strip_prefix(self.inactive_file))?;
            line.trim().parse::<u64>().ok()
        });
        Some(limit.saturating_sub(used.saturating_sub(droppable.unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_the_system_does_not_have_is_refused() {
        assert_eq!(check_memory::<f32>(1000), Ok(()));
        let all = Error::Memory { bytes: usize::MAX };
        assert_eq!(check_memory::<f32>(usize::MAX / 2), Err(all));
        // Twice what is free may be less than there is: that much would be granted.
        if let Some(available) = available() {
            let bytes = 2 * available as usize + MUCH;
            assert_eq!(check_memory::<u8>(bytes), Err(Error::Memory { bytes }));
        }
    }

    #[test]
    fn what_the_system_can_give_is_what_it_can_free_and_swap() {
        let text = "MemTotal:  900 kB\nMemFree:  100 kB\nMemAvailable:  300 kB\nSwapFree:  20 kB\n";
        assert_eq!(left_by_system(text), Some(320 * 1024));
        assert_eq!(left_by_system("MemAvailable:  7 kB\n"), Some(7 * 1024));
        assert_eq!(left_by_system("MemTotal:  900 kB\n"), None);
        assert_eq!(left_by_system("MemAvailable:  many\n"), None);
    }

    /// A folder like `/sys/fs/cgroup` with these files in it.
    fn groups(test: &str, files: &[(&str, &str)]) -> PathBuf {
        let mount = std::env::temp_dir().join(format!("rnn-rust-{test}-{}", std::process::id()));
        for (path, text) in files {
            let path = mount.join(path);
            fs::create_dir_all(path.parent().expect("a file of a folder")).expect("a new folder");
            fs::write(path, text).expect("a new file");
        }
        mount
    }

    #[test]
    fn a_group_has_what_it_and_those_around_it_leave() {
        let files = [
            ("pod/memory.max", "1000\n"),
            ("pod/memory.current", "700\n"),
            ("pod/memory.stat", "anon 400\ninactive_file 250\n"),
            ("pod/app/memory.max", "900\n"),
            ("pod/app/memory.current", "100\n"),
            ("free/memory.max", "max\n"),
            ("free/memory.current", "100\n"),
        ];
        let mount = groups("groups", &files);
        assert_eq!(left_by_groups(&mount, "0::/pod\n"), Some(1000 - (700 - 250)));
        assert_eq!(left_by_groups(&mount, "0::/pod/app\n"), Some(550));
        assert_eq!(left_by_groups(&mount, "0::/free\n"), None);
        assert_eq!(left_by_groups(&mount, "0::/gone\n"), None);
        assert_eq!(left_by_groups(&mount, ""), None);
        fs::remove_dir_all(mount).expect("the folder is there");
    }

    #[test]
    fn a_container_finds_its_own_group_at_the_root() {
        let files = [
            ("memory/memory.limit_in_bytes", "500\n"),
            ("memory/memory.usage_in_bytes", "600\n"),
            ("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 300\n"),
        ];
        let mount = groups("container", &files);
        let own = "5:cpu,cpuacct:/docker/1\n4:hugetlb,memory:/docker/1\n0::/docker/1\n";
        assert_eq!(left_by_groups(&mount, own), Some(200));
        fs::remove_dir_all(mount).expect("the folder is there");
    }
}
