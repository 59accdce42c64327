//! What a simple command runs: the program that it names, and the programs that this one is told to run.
//!
//! Programs that run others by their arguments are read as their manuals say, as far as the table goes; of an option that
//! is not in it nobody knows whether the next word belongs to it. What interpreters and builds make of their own files
//! and languages is theirs: they are listed by name.

use super::runner::{RUNNERS, Runner, Value, option};
use super::word::{Word, is_name};
use super::{Found, Reader, Until};
use crate::foreign::{Unsure, unsure};

/// Programs that run others in ways that are not read here.
const UNREAD: &[&str] = &[
    "alias",
    "at",
    "batch",
    "bind",
    "chroot",
    "cmd",
    "compgen",
    "complete",
    "coproc",
    "csh",
    "enable",
    "entr",
    "fc",
    "fish",
    "flock",
    "foreach",
    "gdb",
    "hash",
    "let",
    "ltrace",
    "mapfile",
    "nocorrect",
    "noglob",
    "nsenter",
    "parallel",
    "powershell",
    "pwsh",
    "readarray",
    "repeat",
    "runuser",
    "script",
    "setpriv",
    "shopt",
    "strace",
    "su",
    "sudoedit",
    "systemd-run",
    "taskset",
    "tcsh",
    "unshare",
    "watch",
    "zcompile",
    "zle",
    "zmodload",
    "zparseopts",
    "zsocket",
];

/// How many programs one simple command may be told to run.
const MAX_RUNS: usize = 32;

const SHELLS: &[&str] = &["ash", "bash", "dash", "ksh", "rbash", "sh", "zsh"];

/// Variables that decide which program a name stands for, or that are run themselves.
pub(super) fn forbidden(name: &str) -> bool {
    #[rustfmt::skip]
    const NAMES: &[&str] = &[
        "BASHOPTS", "BASH_ENV", "BROWSER", "EDITOR", "ENV", "FPATH", "HOME", "IFS", "LESSCLOSE", "LESSOPEN", "MAKEFLAGS",
        "MANPAGER", "NODE_OPTIONS", "PAGER", "PATH", "PERL5LIB", "PERL5OPT", "PROMPT_COMMAND", "PS1", "PS4", "PYTHONPATH",
        "PYTHONSTARTUP", "RUBYLIB", "RUBYOPT", "SHELL", "SHELLOPTS", "SSH_ASKPASS", "SUDO_ASKPASS", "SUDO_EDITOR", "VISUAL",
        "ZDOTDIR", "fpath", "path",
    ];
    const PREFIXES: &[&str] = &["BASH_FUNC", "DYLD_", "GIT_", "LD_"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Reads simple commands of one line.
pub(super) struct Program<'f> {
    depth: usize,
    found: &'f mut Found,
    /// Words that nobody sees are put behind the command.
    appended: bool,
    /// How many programs run the next one.
    runs: usize,
}

impl<'f> Program<'f> {
    pub(super) fn new(depth: usize, found: &'f mut Found) -> Program<'f> {
        Program {
            depth,
            found,
            appended: false,
            runs: 0,
        }
    }

    /// What these words run. Whether it takes more commands from its input.
    pub(super) fn run(&mut self, words: &[Word]) -> Result<bool, Unsure> {
        self.runs += 1;
        if self.runs > MAX_RUNS {
            return unsure(format!("one command runs more than {MAX_RUNS} others"));
        }
        let Some((name, rest)) = words.split_first() else {
            return match self.appended {
                true => unsure("the name of a command comes from an input"),
                false => Ok(false),
            };
        };
        self.name(name)?;
        let base = name.text.rsplit('/').next().unwrap_or_default();
        if UNREAD.contains(&base) {
            return unsure(format!("what `{base}` does to the commands of a line is not read"));
        }
        if SHELLS.contains(&base) {
            return self.shell(rest);
        }
        if let Some(runner) = RUNNERS.iter().find(|runner| runner.name == base) {
            return self.runner(runner, rest);
        }
        match base {
            "eval" => self.text(rest).map(|()| false),
            "trap" => match rest {
                [action, _, ..] if !matches!(action.text.as_str(), "-" | "-l" | "-p" | "") || !action.sure() => {
                    self.text(std::slice::from_ref(action)).map(|()| false)
                }
                _ => Ok(false),
            },
            "." | "source" => match rest.first() {
                Some(file) => self.name(file).map(|()| false),
                None => unsure("`source` has no file"),
            },
            "find" | "gfind" => self.find(rest),
            "test" | "[" if tests_a_variable(rest) => {
                unsure("a test of a variable can run commands that are made when it runs")
            }
            "wait" if rest.iter().any(|word| word.prefix().starts_with('-')) => {
                unsure("`wait` may set a variable that changes what runs")
            }
            "declare" | "export" | "getopts" | "local" | "printf" | "read" | "readonly" | "typeset" | "unset" => {
                variables(base, rest).map(|()| false)
            }
            _ => Ok(false),
        }
    }

    /// Notes a name, if it is one for sure.
    fn name(&mut self, word: &Word) -> Result<(), Unsure> {
        if !word.sure() {
            return unsure("the name of a command is made when the line runs");
        }
        let name = word.text.as_str();
        if name.is_empty() || name.ends_with('/') || name.starts_with(['-', '+']) {
            return unsure("what stands where a command is called is no name");
        }
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return unsure("the name of a command has signs outside of ASCII, or a space");
        }
        self.found.command(name)
    }

    /// Commands in the text of words.
    fn text(&mut self, words: &[Word]) -> Result<(), Unsure> {
        if words.iter().any(|word| !word.sure()) {
            return unsure("commands are made when the line runs");
        }
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let text = texts.join(" ");
        Reader::new(&text, self.depth + 1)?.list(Until::End, self.found)
    }

    /// `sh [OPTIONS] -c TEXT`, `sh [OPTIONS] FILE`, or commands from the input.
    fn shell(&mut self, mut words: &[Word]) -> Result<bool, Unsure> {
        let mut inline = false;
        while let Some((word, rest)) = words.split_first() {
            if !word.sure() {
                break;
            }
            let cluster = word.text.strip_prefix(['-', '+']);
            match (word.text.as_str(), cluster) {
                ("--norc" | "--noprofile" | "--posix" | "--login", _) => words = rest,
                ("--" | "-", _) => {
                    words = rest;
                    break;
                }
                (_, Some(letters)) if letters.bytes().all(|letter| b"cefhlmnouvx".contains(&letter)) => {
                    inline |= letters.contains('c');
                    words = if letters.contains('o') {
                        rest.get(1..).unwrap_or_default()
                    } else {
                        rest
                    };
                }
                (_, Some(_)) => {
                    return unsure("an option of a shell is not read");
                }
                (_, None) => break,
            }
        }
        match words.first() {
            Some(text) if inline => self.text(std::slice::from_ref(text)).map(|()| false),
            None if inline => unsure("a shell gets its commands from where they cannot be seen"),
            Some(file) => self.name(file).map(|()| false),
            None if self.appended => unsure("a shell gets its commands from where they cannot be seen"),
            None => Ok(true),
        }
    }

    fn runner(&mut self, runner: &Runner, words: &[Word]) -> Result<bool, Unsure> {
        let name = runner.name;
        let look = matches!(words.first(), Some(word) if matches!(word.text.as_str(), "-v" | "-V" | "-l" | "--list"));
        if (name == "command" && look && words.first().is_some_and(|word| word.text != "-l"))
            || (name == "sudo" && look && words.len() == 1)
        {
            return Ok(false);
        }
        let (mut at, mut replaced) = (0, None);
        while let Some(word) = words.get(at) {
            if !word.sure() && runner.assignments && word.prefix().contains('=') {
                break;
            }
            if !word.sure() {
                // What it becomes may be an option, a value, or nothing.
                return unsure(format!("what `{name}` runs is made when the line runs"));
            }
            if word.text == "--" {
                at += 1;
                break;
            }
            if !word.text.starts_with('-') || word.text == "-" {
                break;
            }
            let (option, value) = option(runner, &word.text)?;
            at += 1;
            let value = match value {
                Value::None => continue,
                Value::Here(value) => value,
                Value::Next => {
                    let next = words.get(at).filter(|next| next.sure());
                    at += 1;
                    let Some(next) = next else {
                        return unsure(format!("an option of `{name}` has no value that can be read"));
                    };
                    next.text.as_str()
                }
            };
            if name == "xargs" && option == 'I' {
                replaced = Some(value);
            }
        }
        let mut left = runner.operands;
        while let Some(word) = words.get(at) {
            let assigned = word.prefix().split_once('=').map(|(name, _)| name);
            match assigned {
                Some(variable) if runner.assignments && is_name(variable) => {
                    if !word.sure() && word.many {
                        return unsure(format!("what `{name}` runs is made when the line runs"));
                    }
                    if forbidden(variable) {
                        return unsure("a variable that changes what is run is set");
                    }
                }
                _ if left > 0 && word.sure() => left -= 1,
                _ => break,
            }
            at += 1;
        }
        let command = words.get(at..).unwrap_or_default();
        if name == "xargs" {
            self.appended = true;
        }
        if let Some(mark) = replaced.filter(|mark| !mark.is_empty()) {
            return self.run(&marked(command, mark));
        }
        if name == "xargs" && command.is_empty() {
            return Ok(false);
        }
        self.run(command)
    }

    /// `find`, which runs what stands between `-exec` and `;` or `+`.
    fn find(&mut self, words: &[Word]) -> Result<bool, Unsure> {
        if self.appended {
            return unsure("what `find` is told comes from an input");
        }
        if words
            .iter()
            .any(|word| word.many || (!word.sure() && word.prefix().is_empty()))
        {
            return unsure("what `find` is told is made when the line runs");
        }
        let mut rest = words;
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            if !matches!(word.text.as_str(), "-exec" | "-execdir" | "-ok" | "-okdir") {
                continue;
            }
            let Some(end) = after.iter().position(|word| matches!(word.text.as_str(), ";" | "+")) else {
                return unsure("`find` is told to run something that does not end");
            };
            let (command, others) = after.split_at(end);
            self.appended = true;
            self.run(&marked(command, "{}"))?;
            self.appended = false;
            rest = others;
        }
        Ok(false)
    }
}

/// The words, of which those with `mark` in them are changed before they are used.
fn marked(words: &[Word], mark: &str) -> Vec<Word> {
    let copy = |word: &Word| match word.text.contains(mark) {
        true => word.changed(),
        false => word.clone(),
    };
    words.iter().map(copy).collect()
}

/// Whether `test` may look at a variable by a name that is made, which evaluates what stands in its brackets.
fn tests_a_variable(words: &[Word]) -> bool {
    let made = |word: &Word| !word.sure() && word.prefix().is_empty();
    let pairs = words.windows(2).any(|pair| pair.iter().all(made));
    pairs
        || words
            .iter()
            .any(|word| word.many || word.text == "-v" || word.text.contains('['))
}

/// Builtins that set variables by name: none that changes what runs, none whose name is made or computed.
fn variables(builtin: &str, words: &[Word]) -> Result<(), Unsure> {
    if builtin == "printf"
        && words
            .first()
            .is_some_and(|word| word.prefix() != "-v" && !word.prefix().is_empty())
    {
        return Ok(());
    }
    for word in words {
        let name = word.prefix().split(['=', '+']).next().unwrap_or_default();
        let assigned = word.prefix().contains('=');
        if (!word.sure() && (word.many || !assigned))
            || name.contains('[')
            || forbidden(name)
            || (name.starts_with('-') && name.contains('i'))
        {
            return unsure(format!("`{builtin}` may set a variable that changes what runs"));
        }
    }
    Ok(())
}
