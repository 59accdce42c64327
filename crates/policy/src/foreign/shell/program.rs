//! What one simple command runs: the program that it names, and what a few programs are told to run.
//!
//! Words of a shell itself are read one by one; those that change what later words mean, or run their words, are errors.
//! Of programs that are there to run others a few are read in their plainest form, and the others are errors. What all
//! other programs do with their words is theirs.

use super::{Found, MAX_DEPTH, Word, text};
use crate::foreign::{Unsure, unsure};

/// Reserved words and builtins of sh, dash, bash, zsh and BusyBox, but for those that [`run`] reads; and programs that
/// are there to run others.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    ".", "alias", "autoload", "bg", "bind", "bindkey", "break", "builtin", "bye", "caller", "case", "chdir", "comparguments",
    "compadd", "compcall", "compctl", "compdescribe", "compfiles", "compgen", "compgroups", "complete", "compopt", "compquote",
    "compset", "comptags", "comptry", "compvalues", "continue", "coproc", "declare", "dirs", "disable", "disown", "do",
    "done", "echotc", "echoti", "elif", "else", "emulate", "enable", "end", "esac", "eval", "exec", "export", "fc", "fg",
    "fi", "float", "for", "foreach", "function", "functions", "getln", "getopts", "hash", "help", "history", "if", "in",
    "integer", "jobs", "let", "limit", "local", "log", "logout", "mapfile", "nocorrect", "noglob", "print", "private",
    "pushln", "r", "read", "readarray", "readonly", "rehash", "repeat", "return", "sched", "select", "setopt", "setvar", "shift",
    "shopt", "source", "suspend", "test", "then", "times", "trap", "ttyctl", "typeset", "ulimit", "umask", "unalias",
    "unfunction", "unhash", "unlimit", "unset", "unsetopt", "until", "vared", "wait", "whence", "where", "while", "zcompile",
    "zformat", "zle", "zmodload", "zparseopts", "zregexparse", "zstyle",
    // Programs.
    "at", "batch", "busybox", "chroot", "chrt", "cmd", "csh", "dbus-run-session", "doas", "entr", "faketime", "fakeroot",
    "fish", "flock", "gdb", "gosu", "gtimeout", "gxargs", "ionice", "ksh", "lksh", "ltrace", "mksh", "newgrp", "nice",
    "nsenter", "parallel", "pkexec", "powershell", "prlimit", "pwsh", "rbash", "run0", "runuser", "rzsh", "script", "setarch",
    "setpriv", "setsid", "sg", "ssh", "start-stop-daemon", "stdbuf", "strace", "su", "sudoedit", "systemd-run", "taskset",
    "tcsh", "toybox", "unbuffer", "unshare", "valgrind", "watch", "yash",
];

/// What is read below. None of it may be given words that nobody sees.
const READ: &[&str] = &[
    "ash", "bash", "command", "dash", "env", "exit", "find", "gfind", "kill", "nohup", "printf", "set", "sh", "sudo",
    "time", "timeout", "type", "which", "xargs", "zsh",
];

/// Tests and actions of `find` that run and write nothing.
const FIND: &[&str] = &[
    "-H",
    "-L",
    "-P",
    "-a",
    "-and",
    "-empty",
    "-group",
    "-iname",
    "-ipath",
    "-links",
    "-maxdepth",
    "-mindepth",
    "-mmin",
    "-mtime",
    "-name",
    "-newer",
    "-not",
    "-o",
    "-or",
    "-path",
    "-perm",
    "-print",
    "-print0",
    "-prune",
    "-size",
    "-type",
    "-user",
    "-xdev",
];

/// Notes what these words run.
pub(super) fn run(words: &[Word], depth: usize, found: &mut Found) -> Result<(), Unsure> {
    if depth > MAX_DEPTH {
        return unsure(format!("commands stand in commands more than {MAX_DEPTH} deep"));
    }
    let Some((first, rest)) = words.split_first() else {
        return unsure("a command is missing");
    };
    let base = named(first)?;
    found.command(&first.text)?;
    if REFUSED.contains(&base.as_str()) {
        return unsure(format!("what `{base}` does with a line is not read"));
    }
    let fine = match base.as_str() {
        "env" if rest.is_empty() => true,
        "env" | "nohup" | "sudo" | "time" => return run(rest, depth + 1, found),
        "timeout" => {
            let (time, rest) = rest.split_at_checked(1).unwrap_or_default();
            let seconds = time
                .first()
                .map_or("", |word| known(word))
                .trim_end_matches(['s', 'm', 'h', 'd']);
            match number(seconds) {
                true => return run(rest, depth + 1, found),
                false => false,
            }
        }
        "xargs" => return xargs(rest, depth, found),
        "ash" | "bash" | "dash" | "sh" | "zsh" => match rest {
            [option, line] if matches!(known(option), "-c" | "-lc") && !line.made => {
                return text(&line.text, depth + 1, found);
            }
            _ => false,
        },
        "find" | "gfind" => rest.iter().all(|word| {
            let counted = word.text.starts_with('-') && word.text.get(1..).is_some_and(begins_with_digit);
            !word.made && (!word.text.starts_with('-') || FIND.contains(&word.text.as_str()) || counted)
        }),
        "printf" => rest.first().is_some_and(|word| !word.made && prints_texts(&word.text)),
        "exit" | "kill" => rest.iter().all(|word| number(known(word).trim_start_matches('-'))),
        "type" | "which" => rest.iter().all(name_alone),
        "command" => rest.first().is_some_and(|word| known(word) == "-v") && rest.iter().skip(1).all(name_alone),
        "set" => {
            let words: Vec<&str> = rest.iter().map(known).collect();
            matches!(
                words.as_slice(),
                ["-e" | "-u" | "-eu" | "-x" | "-ex" | "-eux"] | ["-euo", "pipefail"]
            )
        }
        _ => true,
    };
    match fine {
        true => Ok(()),
        false => unsure(format!("words of `{base}` are not among those that are read")),
    }
}

/// `xargs` with a program that can be given any words.
fn xargs(mut words: &[Word], depth: usize, found: &mut Found) -> Result<(), Unsure> {
    loop {
        words = match words {
            [option, count, rest @ ..] if known(option) == "-n" && number(known(count)) => rest,
            [option, rest @ ..] if matches!(known(option), "-0" | "-r" | "-0r") => rest,
            [program, ..] if !READ.contains(&named(program)?.as_str()) => return run(words, depth, found),
            _ => return unsure("words of `xargs` are not among those that are read"),
        };
    }
}

/// The name of a program without its folder, as tables have it: some file systems do not tell letters' cases apart.
fn named(word: &Word) -> Result<String, Unsure> {
    let name = &word.text;
    if word.made {
        return unsure("the name of a command is made when the line runs");
    }
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_'));
    let signs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '/' | '_');
    if !begins || !name.chars().all(signs) || name.ends_with('/') {
        return unsure("a command has a name with signs that are not read, or none");
    }
    Ok(name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase())
}

/// The text of a word, if it is known; no option or number is empty.
fn known(word: &Word) -> &str {
    if word.made { "" } else { &word.text }
}

fn number(text: &str) -> bool {
    !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// A word that is asked about, and no option.
fn name_alone(word: &Word) -> bool {
    !word.made && !word.text.starts_with(['-', '+'])
}

/// Whether a format of `printf` asks for texts only: numbers are worked out in zsh, and may run commands.
fn prints_texts(format: &str) -> bool {
    let format = format.replace("%%", "");
    !format.starts_with('-') && format.split('%').skip(1).all(|part| part.starts_with(['s', 'b']))
}
