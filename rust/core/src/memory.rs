//! How much memory the system has left, and how much of it the process may use.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// From this many bytes on, the system is asked whether it has them: reading its answer takes far less
/// time than writing that much.
const MUCH: usize = 1 << 26;

/// The most address space that a thread takes beside its working memory: its stack, and what the C
/// library reserves for its allocations, whether it makes any or not.
const OF_A_THREAD: usize = 1 << 27;

/// [`Error::Memory`] if there is no memory for `numbers` more values of type `T`.
///
/// A failing allocation would abort the process, and Linux overcommits: it grants more memory than
/// there is, and kills a process that writes to it.
pub(crate) fn check_memory<T>(numbers: usize) -> Result<()> {
    check_memory_beside::<T>(numbers, 0)
}

/// Like [`check_memory`], when `unwritten` values are allocated but not yet written: the system counts
/// them only once they are.
pub(crate) fn check_memory_beside<T>(numbers: usize, unwritten: usize) -> Result<()> {
    let [bytes, unwritten] = [numbers, unwritten].map(|n| n.saturating_mul(size_of::<T>()));
    if can_be_had(bytes, 0, unwritten) { Ok(()) } else { Err(Error::Memory { bytes }) }
}

/// How many threads, at most `most`, there is memory for, if each takes `numbers` values; `unwritten`
/// is as above. [`Error::Memory`] if there is not enough even for the calling thread.
pub(crate) fn threads_in_memory<T>(most: usize, numbers: usize, unwritten: usize) -> Result<usize> {
    check_memory_beside::<T>(numbers, unwritten)?;
    let [bytes, unwritten] = [numbers, unwritten].map(|n| n.saturating_mul(size_of::<T>()));
    let has_memory = |&threads: &usize| {
        let addresses = OF_A_THREAD.saturating_mul(threads - 1);
        can_be_had(bytes.saturating_mul(threads), addresses, unwritten)
    };
    Ok((2..=most).rev().find(has_memory).unwrap_or(1))
}

/// Whether `bytes` can be had, beside `addresses` that are never written and `unwritten` bytes that are
/// already allocated and will be.
fn can_be_had(bytes: usize, addresses: usize, unwritten: usize) -> bool {
    let to_be_written = bytes.saturating_add(unwritten);
    Vec::<u8>::new().try_reserve_exact(bytes.saturating_add(addresses)).is_ok()
        && (to_be_written < MUCH || is_available(to_be_written))
}

/// Whether this many bytes are still available, as far as the system tells.
pub(crate) fn is_available(bytes: usize) -> bool {
    available().is_none_or(|available| bytes as u64 <= available)
}

/// The bytes that the process can still use, if the system tells.
fn available() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let of_system = read("/proc/meminfo").and_then(|meminfo| left_by_system(&meminfo));
    let own = read("/proc/self/cgroup").unwrap_or_default();
    let swap = of_system.map_or(0, |system| system.swap);
    let of_groups = left_by_groups(Path::new("/sys/fs/cgroup"), &own, swap);
    of_system.map(|system| system.memory + system.swap).into_iter().chain(of_groups).min()
}

/// Bytes that are left.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Left {
    memory: u64,
    swap: u64,
}

/// Available memory and free swap.
fn left_by_system(meminfo: &str) -> Option<Left> {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
    };
    Some(Left { memory: bytes("MemAvailable:")?, swap: bytes("SwapFree:").unwrap_or(0) })
}

/// What control groups leave of their limits, if the system has `swap` bytes of swap left. Containers
/// and services have a limit, and their processes are killed above it. `own` is the text of
/// `/proc/self/cgroup`.
///
/// Source: Linux, `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst`.
fn left_by_groups(mount: &Path, own: &str, swap: u64) -> Option<u64> {
    let groups = own.lines().flat_map(|line| groups_of(mount, line));
    groups.filter_map(|(group, version)| version.left(&group, swap)).min()
}

/// The directories of the group that a line of `/proc/self/cgroup` names, and of its ancestors.
///
/// In a container that shows its own group as the root, the path may be the host's; the root directory
/// exists all the same.
fn groups_of(mount: &Path, line: &str) -> Vec<(PathBuf, Version)> {
    let fields = line.split_once(':').and_then(|(_, fields)| fields.split_once(':'));
    let (folder, path, version) = match fields {
        Some(("", path)) => (mount.to_owned(), path, Version::Two),
        Some((controllers, path)) if controllers.split(',').any(|name| name == "memory") => {
            (mount.join("memory"), path, Version::One)
        }
        _ => return Vec::new(),
    };
    let ancestors = Path::new(path.trim_start_matches('/')).ancestors();
    ancestors.map(|ancestor| (folder.join(ancestor), version)).collect()
}

/// The versions of control groups, which name their files differently.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The bytes that a group has left; `None` if it has no limit.
    fn left(self, group: &Path, swap: u64) -> Option<u64> {
        let text = |name: &str| fs::read_to_string(group.join(name)).ok();
        let number = |name: &str| text(name)?.trim().parse::<u64>().ok();
        let (limit, used, prefix) = match self {
            Self::One => {
                let names = ("memory.limit_in_bytes", "memory.usage_in_bytes");
                (number(names.0)?, number(names.1)?, "total_")
            }
            Self::Two => (number("memory.max")?, number("memory.current")?, ""),
        };
        let memory = limit.saturating_sub(used);
        // If the group does not limit swap, only the system does.
        let may_swap = match self {
            Self::One => number("memory.memsw.limit_in_bytes")
                .zip(number("memory.memsw.usage_in_bytes"))
                .map(|(limit, used)| limit.saturating_sub(used).saturating_sub(memory)),
            Self::Two => number("memory.swap.max")
                .zip(number("memory.swap.current"))
                .map(|(limit, used)| limit.saturating_sub(used)),
        };
        // Cached files are dropped before a process is killed.
        let stat = text("memory.stat").unwrap_or_default();
        let cached = |name: &str| {
            let line = stat
                .lines()
                .find_map(|line| line.strip_prefix(prefix)?.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        let cached = cached("inactive_file") + cached("active_file");
        let memory = limit.saturating_sub(used.saturating_sub(cached));
        Some(memory.saturating_add(swap.min(may_swap.unwrap_or(swap))))
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
    fn there_are_as_many_threads_as_there_is_memory_for() {
        assert_eq!(threads_in_memory::<f32>(7, 1000, 0), Ok(7));
        assert_eq!(threads_in_memory::<f32>(1, 1000, 0), Ok(1));
        let Some(available) = available() else { return };
        let part = available as usize / 5 * 2;
        assert_eq!(threads_in_memory::<u8>(7, part, 0), Ok(2));
        assert_eq!(threads_in_memory::<u8>(7, part, part), Ok(1));
        let refused = Err(Error::Memory { bytes: part });
        assert_eq!(threads_in_memory::<u8>(7, part, 3 * part), refused);
    }

    #[test]
    fn what_the_system_can_give_is_what_it_can_free_and_swap() {
        let text = "MemTotal:  900 kB\nMemFree:  100 kB\nMemAvailable:  300 kB\nSwapFree:  20 kB\n";
        let left = |memory, swap| Some(Left { memory, swap });
        assert_eq!(left_by_system(text), left(300 * 1024, 20 * 1024));
        assert_eq!(left_by_system("MemAvailable:  7 kB\n"), left(7 * 1024, 0));
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
            ("pod/memory.stat", "anon 400\ninactive_file 150\nactive_file 100\n"),
            ("pod/memory.swap.max", "30\n"),
            ("pod/memory.swap.current", "10\n"),
            ("pod/app/memory.max", "900\n"),
            ("pod/app/memory.current", "100\n"),
            ("free/memory.max", "max\n"),
            ("free/memory.current", "100\n"),
        ];
        let mount = groups("groups", &files);
        let left = |own, swap| left_by_groups(&mount, own, swap);
        assert_eq!(left("0::/pod\n", 0), Some(1000 - (700 - 250)));
        assert_eq!(left("0::/pod\n", 5), Some(555));
        assert_eq!(left("0::/pod\n", 500), Some(550 + 20));
        assert_eq!(left("0::/pod/app\n", 0), Some(550));
        assert_eq!(left("0::/free\n", 0), None);
        assert_eq!(left("0::/gone\n", 0), None);
        assert_eq!(left("", 0), None);
        fs::remove_dir_all(mount).expect("the folder is there");
    }

    #[test]
    fn a_container_finds_its_own_group_at_the_root() {
        let files = [
            ("memory/memory.limit_in_bytes", "500\n"),
            ("memory/memory.usage_in_bytes", "600\n"),
            ("memory/memory.memsw.limit_in_bytes", "800\n"),
            ("memory/memory.memsw.usage_in_bytes", "650\n"),
            (
                "memory/memory.stat",
                "inactive_file 1\ntotal_inactive_file 200\ntotal_active_file 100\n",
            ),
        ];
        let mount = groups("container", &files);
        let own = "5:cpu,cpuacct:/docker/1\n4:hugetlb,memory:/docker/1\n0::/docker/1\n";
        assert_eq!(left_by_groups(&mount, own, 0), Some(200));
        assert_eq!(left_by_groups(&mount, own, 1000), Some(200 + 150));
        fs::remove_dir_all(mount).expect("the folder is there");
    }
}
