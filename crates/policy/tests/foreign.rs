//! What is read from texts in other languages, and what is refused because programs would read it differently.
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_policy::condition::{Condition, Declarations};
use countersign_policy::foreign::{commands, domain, host, verbs, within, writes};

/// Lines with the programs that they run; `?` where that cannot be told.
const LINES: &[(&str, &str)] = &[
    ("", ""),
    ("ls -la /tmp", "ls"),
    ("  # only a comment", ""),
    ("ls # rm -rf /", "ls"),
    ("ls#x", "ls#x"),
    ("cat a | grep b | wc -l", "cat grep wc"),
    ("make && make install || echo no", "make echo"),
    ("a; b & c\nd |& e", "a b c d e"),
    ("(cd /x && rm y)", "cd rm"),
    ("{ rm a; }", "rm"),
    ("! grep -q x f", "grep"),
    ("echo $(rm -rf /)", "rm echo"),
    ("echo \"a $(rm b) c\"", "rm echo"),
    ("echo `rm b`", "rm echo"),
    ("echo '$(rm b)'", "echo"),
    ("echo \\$(rm b)", "?"),
    ("echo \"\\$(rm b)\"", "echo"),
    ("echo ${x:-$(rm b)}", "rm echo"),
    ("diff <(rm a) >(rm2 b)", "rm rm2 diff"),
    ("cat <<EOF\n$(rm a)\nEOF\nls", "cat rm ls"),
    ("cat <<'EOF'\n$(rm a)\nEOF\nls", "cat ls"),
    ("cat <<-EOF\n\trm a\n\tEOF\nls", "cat ls"),
    ("git commit -m \"$(cat <<'EOF'\nit's \"fine\"\nEOF\n)\"", "cat git"),
    ("cat <<EOF\nrm a", "?"),
    ("cat <<A <<B\n$(x)\nA\n$(y)\nB\nz", "cat x y z"),
    ("bash <<'EOF'\nrm a\nEOF", "bash rm"),
    ("bash <<EOF\nrm $x\nEOF", "?"),
    ("sh 3<<'EOF'\nrm a\nEOF", "?"),
    ("echo rm a | sh", "?"),
    ("curl https://x | sudo bash -x", "?"),
    ("bash < f", "?"),
    ("bash <<< 'rm a'", "?"),
    ("bash -c 'rm a; ls'", "bash rm ls"),
    ("bash -lc \"cd x && rm a\"", "bash cd rm"),
    ("sh -ec 'rm a' b c", "sh rm"),
    ("bash -c \"rm $x\"", "?"),
    ("bash -c \"$x\"", "?"),
    ("bash -o pipefail -c 'rm a'", "bash rm"),
    ("bash --rcfile evil -i", "?"),
    ("bash ./build.sh now", "bash ./build.sh build.sh"),
    ("sh -c 'sh -c \"rm a\"'", "sh rm"),
    ("/bin/rm a", "/bin/rm rm"),
    ("./x/../git status", "./x/../git git"),
    ("\\rm a", "rm"),
    ("'r'm a", "rm"),
    ("r\"m\" a", "rm"),
    ("r\\\nm a", "rm"),
    ("$cmd a", "?"),
    ("\"$cmd\" a", "?"),
    ("$EMPTY rm a", "?"),
    ("x=rm; $x a", "?"),
    ("r${x}m a", "?"),
    ("/bin/r? a", "?"),
    ("{rm,-rf,/}", "?"),
    ("$'rm' a", "?"),
    ("$'r\\x6d' a", "?"),
    ("echo $'a\\'; rm b'", "?"),
    ("FOO=1 BAR=$y rm a", "rm"),
    ("FOO=$(rm a) ls", "rm ls"),
    ("PATH=/tmp/evil git status", "?"),
    ("export PATH=/tmp:$PATH; ls", "?"),
    ("LD_PRELOAD=x.so ls", "?"),
    ("HOME=/tmp/evil bash -lc ls", "?"),
    ("GIT_EXTERNAL_DIFF=./x git diff", "?"),
    ("env NODE_OPTIONS='-r ./x' node a.js", "?"),
    (". $(rm a)", "?"),
    ("export FOO=$(rm a)", "?"),
    ("a && \\\n rm b", "a rm"),
    ("case a in esac) rm b;; esac", "?"),
    ("exec -a ls rm a", "exec rm"),
    ("f() rm a", "rm"),
    ("xargs -P4 -n1 sh -c 'rm \"$@\"' _", "xargs sh rm"),
    ("GIT_SSH_COMMAND='rm a' git fetch", "?"),
    ("export FOO=\"$BAR\"; ls", "export ls"),
    ("export $x; ls", "?"),
    ("read PATH < f; ls", "?"),
    ("alias ls='rm -rf /'", "?"),
    ("ls() { rm -rf /; }; ls", "rm ls"),
    ("function f { rm a; }; f", "rm f"),
    ("rm >f() x", "?"),
    ("sudo rm a", "sudo rm"),
    ("sudo -u root -E rm a", "sudo rm"),
    ("sudo -uroot FOO=1 rm a", "sudo rm"),
    ("sudo --user=root -- rm a", "sudo rm"),
    ("sudo -Z rm a", "?"),
    ("sudo -i rm a", "?"),
    ("sudo $opts rm a", "?"),
    ("sudo -l", "sudo"),
    ("env -i FOO=1 rm a", "env rm"),
    ("env FOO=\"$x\" rm a", "env rm"),
    ("env FOO=$x rm a", "?"),
    ("env PATH=/x rm a", "?"),
    ("env -S 'rm a'", "?"),
    ("nice -n 5 nohup timeout -s KILL 5 rm a", "nice nohup timeout rm"),
    ("timeout $t rm a", "?"),
    ("time rm a", "rm"),
    ("time -f x rm a", "?"),
    ("/usr/bin/time -p rm a", "/usr/bin/time time rm"),
    ("command rm a", "command rm"),
    ("command -v rm", "command"),
    ("exec rm a", "exec rm"),
    ("exec 2>/dev/null", "exec"),
    ("busybox sh -c 'rm a'", "busybox sh rm"),
    ("eval 'rm a' ';' ls", "eval rm ls"),
    ("eval \"$x\"", "?"),
    ("trap 'rm a' EXIT; ls", "trap rm ls"),
    ("trap - EXIT", "trap"),
    ("find . -name '*.o' -exec rm {} \\;", "find rm"),
    ("find . -exec sh -c 'rm a' {} + -print", "find sh rm"),
    ("find . -exec sh -c 'rm {}' \\;", "?"),
    ("find . -exec {} \\;", "?"),
    ("find $d -name x", "?"),
    ("find . -exec rm {}", "?"),
    ("ls | xargs rm", "ls xargs rm"),
    ("ls | xargs -0 -n 1 rm -f", "ls xargs rm"),
    ("ls | xargs -I{} sh -c 'rm {}'", "?"),
    ("ls | xargs -I{} rm {}", "ls xargs rm"),
    ("ls | xargs sh", "?"),
    ("ls | xargs sh -c", "?"),
    ("ls | xargs env", "?"),
    ("ls | xargs sudo -n", "?"),
    ("ls | xargs find", "?"),
    ("ls | xargs", "ls xargs"),
    ("ls | parallel rm", "?"),
    ("su -c 'rm a'", "?"),
    ("if test -f a; then rm a; elif b; then c; else d; fi", "test rm b c d"),
    ("while read -r l; do rm \"$l\"; done < f", "read rm"),
    ("for f in a b $(c); do rm $f; done", "c rm"),
    ("for PATH in /x; do ls; done", "?"),
    ("case $x in a|b) rm a;; *) ls;; esac; c", "rm ls c"),
    ("case $(d) in (a) rm a\nesac", "d rm"),
    ("[ -f a ] && rm a", "[ rm"),
    ("[ \"$x\" \"$y\" ] && ls", "?"),
    ("[[ -f $(a) && b =~ ^(c|d)$ ]] && rm a", "a rm"),
    ("[[ $x -eq 1 ]]", "?"),
    ("test -v 'a[$(rm b)]'", "?"),
    ("echo $((1 + 2))", "echo"),
    ("echo $((x))", "?"),
    ("((x = 1))", "?"),
    ("echo ${x@P}", "?"),
    ("echo ${!x}", "?"),
    ("echo ${a[$(rm b)]}", "?"),
    ("echo ${x:0:2} ${#x} ${x%.c} ${a[@]}", "echo"),
    ("echo ${x:y}", "?"),
    ("source ./env.sh && ls", "source ./env.sh env.sh ls"),
    (". $x", "?"),
    ("ls > /dev/null 2>&1 &>> log", "ls"),
    ("rm\u{a0}-rf", "?"),
    ("\u{440}m a", "?"),
    ("r\rm a", "?"),
    ("ls\r\nrm a", "?"),
    ("echo \u{440} '日本'", "echo"),
    ("ls *(e:'rm a':)", "?"),
    ("=rm a", "?"),
    ("- rm a", "?"),
    ("~/bin/tool x", "~/bin/tool tool"),
    ("~ x", "?"),
    ("ls 'a", "?"),
    ("ls \"a", "?"),
    ("ls $(a", "?"),
    ("ls )", "?"),
    ("ls \\", "?"),
    ("python3 -c 'import os'", "python3"),
];

#[test]
fn every_program_of_a_line_is_found_or_the_line_is_refused() {
    for (line, wanted) in LINES {
        let found = commands(line);
        match *wanted {
            "?" => assert!(found.is_err(), "{line:?}: {found:?}"),
            wanted => {
                let found = found.unwrap_or_else(|why| panic!("{line:?} is refused: {why}"));
                assert_eq!(found.join(" "), wanted, "{line:?}");
            }
        }
    }
}

#[test]
fn files_that_a_line_writes_by_redirection_are_found_or_the_line_is_refused() {
    let lines = [
        ("ls", ""),
        ("ls > a 2>> 'b c' >| d", "a|b c|d"),
        ("ls &> a; (b <> c)", "a|c"),
        ("ls 2>&1 >&2 < in", ""),
        ("ls >& a", "a"),
        ("cat > \"$(dirname x)/f\" <<'EOF'\nEOF", "?"),
        ("ls > $x", "?"),
        ("ls > ~/x", "~/x"),
        ("$x > a", "?"),
        ("sh -c 'ls > a'", "a"),
    ];
    for (line, wanted) in lines {
        let found = writes(line);
        match wanted {
            "?" => assert!(found.is_err(), "{line:?}: {found:?}"),
            wanted => assert_eq!(found.unwrap().join("|"), wanted, "{line:?}"),
        }
    }
}

#[test]
fn hosts_are_read_as_browsers_read_them_and_refused_where_others_differ() {
    let addresses = [
        ("https://example.com/a?b#c", "example.com"),
        ("HTTPS://EXAMPLE.COM.:8443", "example.com"),
        ("https://example.com@evil.example/", "evil.example"),
        ("https://user:pass@example.com", "example.com"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("https://ｅxample.com", "example.com"),
        ("http://[::1]:80/", "[::1]"),
        ("http://[::ffff:127.0.0.1]/", "[::ffff:7f00:1]"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://0x7f.1/", "127.0.0.1"),
        ("ssh://git@Host.example/repo", "host.example"),
        ("https://good.example\\@evil.example", "?"),
        ("https://a@b@c.example", "?"),
        ("https://good.example /x", "?"),
        ("https://good\t.example", "?"),
        (" https://good.example", "?"),
        ("https:/example.com", "?"),
        ("https:///example.com", "?"),
        ("https:example.com", "?"),
        ("//example.com", "?"),
        ("example.com", "?"),
        ("https://ex%61mple.com", "?"),
        ("https://exam ple.com", "?"),
        ("https://", "?"),
        ("https://.", "?"),
        ("https://a..b", "?"),
        ("mailto:a@b.example", "?"),
        ("file:///etc/passwd", "?"),
        ("javascript://example.com/%0aalert(1)", "example.com"),
        ("", "?"),
    ];
    for (address, wanted) in addresses {
        let found = host(address);
        match wanted {
            "?" => assert!(found.is_err(), "{address:?}: {found:?}"),
            wanted => assert_eq!(found.as_deref(), Ok(wanted), "{address:?}"),
        }
    }
}

#[test]
fn a_path_is_within_a_folder_by_its_parts_and_refused_where_its_place_is_not_known() {
    let inside = |path: &str, base: Option<&str>| within(path, "/srv/project", base);
    for path in [
        "/srv/project",
        "/srv/project/",
        "/srv/./project//a",
        "/srv/project/a/../b",
        "/x/../srv/project/a",
        "/srv/project/~",
    ] {
        assert_eq!(inside(path, None), Ok(true), "{path}");
    }
    for path in [
        "/",
        "/srv",
        "/srv/projects",
        "/srv/project/..",
        "/srv/project/../../etc/passwd",
        "/srv/project/a/../../x",
        "/SRV/project",
    ] {
        assert_eq!(inside(path, None), Ok(false), "{path}");
    }
    for path in [
        "",
        "a",
        "../a",
        "~/a",
        "~root/a",
        "$HOME/a",
        "C:/a",
        "C:\\a",
        "file:///srv/project/a",
        "/srv/project\\..\\a",
        "/srv/project/a\nb",
        "/srv/project/a\0",
    ] {
        assert!(inside(path, None).is_err(), "{path}");
    }
    for (path, base, wanted) in [
        ("a", "/srv/project", true),
        ("../a", "/srv/project", false),
        ("../a", "/srv/project/b", true),
        (".", "/srv", false),
    ] {
        assert_eq!(inside(path, Some(base)), Ok(wanted), "{path} from {base}");
    }
    for (path, base) in [
        ("~/a", "/srv/project"),
        ("a", "srv"),
        ("$x/a", "/srv/project"),
        ("a", ""),
    ] {
        assert!(inside(path, Some(base)).is_err(), "{path} from {base}");
    }
    assert!(within("/a", "project", None).is_err());
    assert_eq!(within("/a", "/", None), Ok(true));
}

#[test]
fn verbs_of_sql_are_found_wherever_they_stand_or_the_text_is_refused() {
    let texts = [
        ("", ""),
        ("select 1", "SELECT"),
        ("SELECT 1; -- done\nDELETE FROM t", "SELECT DELETE"),
        (" (select 1) union (select 2) ", "SELECT"),
        (
            "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
            "DELETE SELECT",
        ),
        ("EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN DELETE"),
        ("SELECT * INTO copy FROM t", "SELECT SELECT INTO"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "SELECT SELECT INTO"),
        ("INSERT INTO t SELECT * FROM u", "INSERT SELECT"),
        ("SELECT * FROM t FOR UPDATE", "SELECT"),
        ("SELECT * FROM t FOR NO KEY UPDATE", "SELECT"),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 1",
            "INSERT UPDATE",
        ),
        (
            "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1",
            "INSERT UPDATE",
        ),
        (
            "SELECT replace(a, 'b', 'c'), truncate(1.5, 1), t.update FROM t",
            "SELECT",
        ),
        ("SELECT 1 DROP TABLE t", "SELECT DROP"),
        ("SELECT 1 EXEC xp_cmdshell 'x'", "SELECT EXEC"),
        ("SELECT 'DROP TABLE t; --', \"delete\", `drop`, [drop]", "SELECT DROP"),
        ("SELECT 'it''s; DROP TABLE t'", "SELECT"),
        ("SELECT /* drop */ 1 /*+ hint */", "SELECT"),
        ("COPY t TO PROGRAM 'x'; VACUUM", "COPY VACUUM"),
        ("DeLeTe FROM t", "DELETE"),
        ("DE/**/LETE FROM t", "DE"),
        ("SELECT '\\'; DROP TABLE t; -- '", "?"),
        ("SELECT '\\\\'; DROP TABLE t", "SELECT DROP"),
        ("SELECT 1--1; DROP TABLE t", "?"),
        ("SELECT /*!50000 1; DROP TABLE t */", "?"),
        ("SELECT /* /* */ DROP TABLE t; */ 1", "?"),
        ("SELECT 1 # ; DROP TABLE t", "?"),
        ("SELECT $$; DROP TABLE t; $$", "?"),
        ("SELECT $1, @x", "SELECT"),
        ("SELECT ['] ; DROP TABLE t; --']", "?"),
        ("SELECT q'[']'; DROP TABLE t; --]'", "?"),
        ("SELECT E'\\''", "?"),
        ("SELECT 'x", "?"),
        ("SELECT /* x", "?"),
        ("SELECT\u{a0}1", "?"),
        (".shell rm a", "?"),
        ("\\! rm a", "?"),
        ("; ;", ""),
        ("1 = 1", "1"),
        ("= 1", "?"),
    ];
    for (text, wanted) in texts {
        let found = verbs(text);
        match wanted {
            "?" => assert!(found.is_err(), "{text:?}: {found:?}"),
            wanted => {
                let found = found.unwrap_or_else(|why| panic!("{text:?} is refused: {why}"));
                assert_eq!(found.join(" "), wanted, "{text:?}");
            }
        }
    }
}

#[test]
fn the_domain_of_one_mail_address_is_read_and_everything_else_refused() {
    let addresses = [
        ("ann@example.com", "example.com"),
        ("Ann Smith <Ann@EXAMPLE.com.>", "example.com"),
        ("<ann@bücher.example>", "xn--bcher-kva.example"),
        ("ann+tag@mail.example.com", "mail.example.com"),
        ("ann@example.com, eve@evil.example", "?"),
        ("ann@example.com\neve@evil.example", "?"),
        ("\"ann@example.com\" <eve@evil.example>", "?"),
        ("\"a@b\"@example.com", "?"),
        ("ann@example.com@evil.example", "?"),
        ("eve%evil.example@example.com", "?"),
        ("evil.example!eve@example.com", "?"),
        ("ann@[127.0.0.1]", "?"),
        ("ann@127.0.0.1", "?"),
        ("ann@example.com(evil)", "?"),
        ("friends: ann@example.com;", "?"),
        ("@example.com", "?"),
        ("ann@", "?"),
        ("ann", "?"),
        ("", "?"),
    ];
    for (address, wanted) in addresses {
        let found = domain(address);
        match wanted {
            "?" => assert!(found.is_err(), "{address:?}: {found:?}"),
            wanted => assert_eq!(found.as_deref(), Ok(wanted), "{address:?}"),
        }
    }
}

#[test]
fn the_reason_of_a_refusal_has_nothing_of_the_text_in_it() {
    let secret = "hunter2hunter2";
    let texts = [
        "$hunter2hunter2",
        "hunter2hunter2\u{e9}",
        "sudo --hunter2hunter2 x",
        "env $hunter2hunter2",
        "LD_hunter2hunter2=1 x",
        "for hunter2hunter2- in x",
        "find $hunter2hunter2",
        "bash -hunter2hunter2",
        "export hunter2hunter2[x]",
        "~hunter2hunter2",
        "hunter2hunter2 'x",
        "hunter2hunter2@x@y",
        "hunter2hunter2://",
        "hunter2hunter2",
        "https://a..hunter2hunter2",
        "'hunter2hunter2",
    ];
    for text in texts {
        let reasons = [
            commands(text).err(),
            writes(text).err(),
            host(text).err(),
            domain(text).err(),
            verbs(text).err(),
            within(text, "/", None).err(),
            within("/", text, Some(text)).err(),
        ];
        for reason in reasons.into_iter().flatten() {
            assert!(!reason.0.contains(secret), "{text:?}: {reason}");
        }
    }
}

#[test]
fn hostile_texts_are_refused_without_filling_the_stack_or_the_clock() {
    let began = std::time::Instant::now();
    let megabyte = "a".repeat(1 << 20);
    for read in [commands, writes, verbs] {
        assert!(read(&megabyte).is_err());
    }
    assert!(host(&megabyte).is_err() && domain(&megabyte).is_err() && within(&megabyte, "/", Some("/")).is_err());
    for opening in [
        "$(",
        "`",
        "(",
        "{ ",
        "\"$(",
        "${x:-",
        "<(",
        "if ",
        "case a in a) ",
        "sh -c '",
        "sudo ",
        "find -exec ",
        "[[ ",
        "\\",
        "'",
        "<<a ",
        "$((",
        "for a in ",
    ] {
        for closing in ["", "x", ")", "\n"] {
            let text = format!("{}{closing}", opening.repeat(10_000));
            let text: String = text.chars().take(60_000).collect();
            let _ = (
                commands(&text),
                verbs(&text),
                host(&text),
                domain(&text),
                within(&text, "/", Some("/")),
            );
        }
    }
    for opening in ["(", "[", "/*", "'", "\"", "WITH a AS (", "; a", "$a$"] {
        let text: String = opening.repeat(10_000).chars().take(60_000).collect();
        let _ = (verbs(&text), commands(&text));
    }
    let many: String = (0..20_000).map(|n| format!("{n};")).collect();
    assert!(commands(many.get(..60_000).unwrap()).is_err());
    assert!(commands(&format!("{}rm a", "sudo ".repeat(5_000))).is_err());
    assert!(commands(&format!("{}rm a{}", "$(".repeat(40), ")".repeat(40))).is_err());
    assert!(
        began.elapsed() < std::time::Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

/// The codes of what is wrong with a condition.
fn wrong(source: &str) -> Vec<&'static str> {
    match Condition::compile(source, &Declarations::default()) {
        Ok(_) => Vec::new(),
        Err(findings) => findings.iter().map(|finding| finding.code).collect(),
    }
}

#[test]
fn functions_of_texts_are_checked_when_the_policy_loads() {
    for good in [
        "shell.commands(action).all(c, c in ['ls'])",
        "has(args.urls) && args.urls.all(url, url.startsWith('https://') && url.host(url) == 'a')",
        "path.within(action, '/srv', action)",
        "'DROP' in sql.verbs(action)",
        "size(shell.writes(action)) == 0 && email.domain(action).endsWith('.example')",
    ] {
        assert_eq!(wrong(good), Vec::<&str>::new(), "{good}");
    }
    for (bad, code) in [
        ("shell.commands(1) == []", "wrong_type"),
        ("shell.commands(pii) == []", "wrong_type"),
        ("shell.commands(action) == 'ls'", "wrong_type"),
        ("url.host(action)", "wrong_type"),
        ("url.host(action) > 5", "wrong_type"),
        ("shell.commands() == []", "wrong_arguments"),
        ("shell.commands(action, action) == []", "wrong_arguments"),
        ("path.within(action)", "wrong_arguments"),
        ("path.within(action, 'srv')", "invalid_literal"),
        ("path.within(action, '~/x')", "invalid_literal"),
        ("shell.command(action) == []", "unknown_function"),
        ("sql.rm(action) == []", "unknown_function"),
        ("shell == 'x'", "unknown_name"),
        ("host(action) == 'x'", "unknown_function"),
        ("shell.commands(amount) == []", "may_be_absent"),
    ] {
        assert!(wrong(bad).contains(&code), "{bad}: {:?}", wrong(bad));
    }
}
