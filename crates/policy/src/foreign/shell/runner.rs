//! Programs that run the command behind their options, and how these options are read.

use crate::foreign::Unsure;

/// A program that runs the command behind its options.
pub(super) struct Runner {
    pub(super) name: &'static str,
    /// Short options that stand alone.
    pub(super) alone: &'static str,
    /// Short options with a value.
    pub(super) valued: &'static str,
    /// Long options: `name` stands alone, `name=` has a value.
    pub(super) long: &'static [&'static str],
    /// How many words come before the command.
    pub(super) operands: usize,
    /// `NAME=value` may come before the command.
    pub(super) assignments: bool,
}

const fn runner(name: &'static str, alone: &'static str, valued: &'static str) -> Runner {
    Runner {
        name,
        alone,
        valued,
        long: &[],
        operands: 0,
        assignments: false,
    }
}

pub(super) const RUNNERS: &[Runner] = &[
    runner("builtin", "", ""),
    runner("busybox", "", ""),
    runner("command", "p", ""),
    Runner {
        assignments: true,
        ..runner("doas", "n", "u")
    },
    Runner {
        long: &["ignore-environment", "unset=", "chdir="],
        assignments: true,
        ..runner("env", "i0", "uC")
    },
    runner("exec", "cl", "a"),
    Runner {
        long: &["class=", "classdata=", "ignore"],
        ..runner("ionice", "t", "cn")
    },
    Runner {
        long: &["adjustment="],
        ..runner("nice", "", "n")
    },
    runner("nohup", "", ""),
    runner("setsid", "cfw", ""),
    Runner {
        long: &["input=", "output=", "error="],
        ..runner("stdbuf", "", "ioe")
    },
    Runner {
        long: &[
            "user=",
            "group=",
            "preserve-env",
            "non-interactive",
            "set-home",
            "stdin",
            "background",
        ],
        assignments: true,
        ..runner("sudo", "AbEHknPS", "CDghprTtuU")
    },
    runner("time", "apqv", ""),
    Runner {
        long: &["signal=", "kill-after=", "preserve-status", "foreground", "verbose"],
        operands: 1,
        ..runner("timeout", "fpv", "ks")
    },
    runner("toybox", "", ""),
    Runner {
        long: &[
            "null",
            "no-run-if-empty",
            "verbose",
            "max-args=",
            "max-procs=",
            "max-lines=",
            "delimiter=",
            "arg-file=",
        ],
        ..runner("xargs", "0rtx", "nPLsdEaI")
    },
];

pub(super) enum Value<'w> {
    None,
    Here(&'w str),
    Next,
}

/// The option in a word, and where its value is.
pub(super) fn option<'w>(runner: &Runner, text: &'w str) -> Result<(char, Value<'w>), Unsure> {
    let unknown = || Unsure(format!("an option of `{}` is not read", runner.name));
    if let Some(long) = text.strip_prefix("--") {
        let (name, value) = long
            .split_once('=')
            .map_or((long, None), |(name, value)| (name, Some(value)));
        let known = runner
            .long
            .iter()
            .find(|known| known.trim_end_matches('=') == name)
            .ok_or_else(unknown)?;
        return match (known.ends_with('='), value) {
            (true, Some(value)) => Ok(('-', Value::Here(value))),
            (true, None) => Ok(('-', Value::Next)),
            (false, _) => Ok(('-', Value::None)),
        };
    }
    let letters = text.get(1..).unwrap_or_default();
    for (at, letter) in letters.char_indices() {
        if runner.alone.contains(letter) {
            continue;
        }
        if !runner.valued.contains(letter) {
            return Err(unknown());
        }
        let value = letters.get(at + letter.len_utf8()..).unwrap_or_default();
        return Ok((
            letter,
            if value.is_empty() {
                Value::Next
            } else {
                Value::Here(value)
            },
        ));
    }
    Ok(('-', Value::None))
}
