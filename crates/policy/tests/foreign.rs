//! What is read from texts in other languages, and what is refused because programs would read it differently.
#![expect(clippy::unwrap_used, reason = "tests")]

use countersign_policy::condition::{Condition, Declarations};
use countersign_policy::foreign::{commands, domain, host, verbs, within, writes};

#[test]
fn hosts_are_read_where_all_readers_of_addresses_see_the_same_one() {
    let addresses = [
        ("https://example.com/a?b#c", "example.com"),
        ("HTTPS://EXAMPLE.COM.:8443", "example.com"),
        ("https://example.com@evil.example/", "evil.example"),
        ("https://user:pass@example.com", "example.com"),
        ("https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://bücher.example", "?"),
        ("https://ｅxample.com", "?"),
        ("https://a;b.example", "?"),
        ("https://a&b.example", "?"),
        ("https://a,b", "?"),
        ("https://a.example;@b.example", "?"),
        ("https://-a.example", "?"),
        ("ssh://-oProxyCommand=x/", "?"),
        ("https://a_b-c.example:443", "a_b-c.example"),
        ("https://a.example:x", "?"),
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("http://127.1/", "?"),
        ("http://010.0.0.1/", "?"),
        ("data://a.example/", "?"),
        ("about://a.example/", "?"),
        ("blob://a.example/", "?"),
        ("blob:https://a.example/", "?"),
        ("file://a.example/x", "?"),
        ("gopher://a.example/x", "?"),
        ("http://[::1]:80/", "[::1]"),
        ("http://[::ffff:127.0.0.1]/", "[::ffff:7f00:1]"),
        ("http://2130706433/", "?"),
        ("http://0x7f.1/", "?"),
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
        ("javascript://example.com/%0aalert(1)", "?"),
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
        "//srv/project/x",
        "///srv/project/x",
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
        ("srv/project", "/", true),
    ] {
        assert_eq!(inside(path, Some(base)), Ok(wanted), "{path} from {base}");
    }
    for (path, base) in [
        ("~/a", "/srv/project"),
        ("a", "srv"),
        ("a", "//srv/project"),
        ("a\\..\\b", "/srv/project"),
        ("C:a", "/srv/project"),
        ("$x/a", "/srv/project"),
        ("a", ""),
    ] {
        assert!(inside(path, Some(base)).is_err(), "{path} from {base}");
    }
    assert!(within("/a", "project", None).is_err());
    assert!(within("/a", "//a", None).is_err());
    assert_eq!(within("/a", "/", None), Ok(true));
}

#[test]
fn verbs_of_sql_are_found_wherever_they_stand() {
    let texts = [
        ("", ""),
        ("select 1", "SELECT"),
        ("SELECT 1;\nDELETE FROM t", "SELECT DELETE"),
        (" (select 1) union (select 2) ", "SELECT"),
        (
            "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
            "DELETE SELECT",
        ),
        ("EXPLAIN ANALYZE DELETE FROM t", "EXPLAIN DELETE"),
        ("EXPLAIN ANALYZE REFRESH MATERIALIZED VIEW v", "EXPLAIN REFRESH"),
        ("SELECT * INTO copied FROM t", "SELECT SELECT INTO"),
        (
            "INSERT INTO t VALUES (1) SELECT * INTO copied FROM t",
            "INSERT SELECT SELECT INTO",
        ),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", "SELECT SELECT INTO"),
        ("INSERT INTO t SELECT * FROM u", "INSERT SELECT"),
        ("SELECT * FROM t FOR UPDATE", "SELECT"),
        ("SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED", "SELECT"),
        ("SELECT * FROM t FOR UPDATE t SET a = 1", "SELECT UPDATE"),
        (
            "SET STATEMENT max_statement_time = 1 FOR UPDATE t SET a = 1",
            "SET UPDATE",
        ),
        ("SET NOCOUNT ON DELETE FROM t", "SET DELETE"),
        ("SET NOCOUNT ON DELETE CASCADE", "SET DELETE"),
        ("SELECT 1 SET IDENTITY_INSERT t ON", "SELECT SET"),
        ("UPDATE t SET a = 1", "UPDATE"),
        ("CREATE TABLE t (a int REFERENCES u ON DELETE CASCADE)", "CREATE DELETE"),
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
        ("COPY t TO PROGRAM 'x'; VACUUM", "COPY VACUUM"),
        ("DeLeTe FROM t", "DELETE"),
        (
            "SELECT $1, @x, @@version, :name, ?, a::int, 'é' FROM t WHERE a >= 1.5 AND b != 2",
            "SELECT",
        ),
        ("SELECT a[1], ARRAY[1, 2] FROM [my table]", "SELECT"),
        ("; ;", ""),
    ];
    for (text, wanted) in texts {
        let found = verbs(text).unwrap_or_else(|why| panic!("{text:?} is refused: {why}"));
        assert_eq!(found.join(" "), wanted, "{text:?}");
    }
}

#[test]
fn sql_that_databases_or_their_consoles_read_differently_is_refused() {
    #[rustfmt::skip]
    let texts = [
        "SELECT @a(');DELETE FROM t;--')", "SELECT :a(');DELETE FROM t;--')", "SELECT $a(');DELETE FROM t;--')",
        "SELECT $1(');DELETE FROM t;--')", "SELECT ?1(');DELETE FROM t;--')", "SELECT @a::b(');DELETE FROM t;--')",
        "SELECT x::b(');DELETE FROM t;--')", "SELECT #a(');DELETE FROM t;--')", "SELECT a@b", "SELECT @'x'",
        "SELECT a$b$", "SELECT 1\ngo\n.shell touch p", "SELECT 1\n GO \nDROP TABLE t", "SELECT 'a\ngo 5\nb'",
        "SELECT 1\n/\nDROP TABLE t", "SELECT 1\n/ 2", "SELECT 1\n.shell touch p", "SELECT 1\n!! touch p",
        "SELECT 1\n:r x", "SELECT 1\nDELIMITER x", "@evil.sql", "SELECT [a]]']; DROP TABLE t; --']", "SELECT [a]]",
        "SELECT [a", "SELECT a]", "SELECT [[a]", "SELECT [a;b]", "SELECT ['] ; DROP TABLE t; --']",
        "SELECT 1.DELETE FROM t", "SELECT 1DELETE FROM t", "SELECT 1INTO x", "SELECT 0x1F", "SELECT 1e5",
        "SELECT 1.5.delete", "SELECT 'a'.delete", "SELECT (a).delete", "SELECT a. delete",
        "SELECT 1 // ' \n; DROP TABLE t; // '", "SELECT '''a'; DROP TABLE t; '''",
        "SELECT \"\"\"a\"; DROP TABLE t; \"\"\"", "SELECT /*+ hint ' */ 1", "SELECT /* drop */ 1", "SELECT 1 -- done",
        "SELECT 1--1; DROP TABLE t", "SELECT /*!50000 1; DROP TABLE t */", "SELECT 1 # ; DROP TABLE t",
        "DE/**/LETE FROM t", "SELECT '\\'; DROP TABLE t; -- '", "SELECT '\\\\'; DROP TABLE t",
        "SELECT $$; DROP TABLE t; $$", "SELECT q'[']'; DROP TABLE t; --]'", "SELECT E'\\''", "SELECT N'x'",
        "SELECT `a'b`", "SELECT `a``b`", "SELECT 'x", "SELECT\u{a0}1", "SELECT é", "SELECT 1\rDROP TABLE t",
        "SELECT '\r'", "SELECT {fn x}", ".shell rm a", "\\! rm a", "1 = 1", "= 1",
    ];
    for text in texts {
        assert!(verbs(text).is_err(), "{text:?}: {:?}", verbs(text));
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
