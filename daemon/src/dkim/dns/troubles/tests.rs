use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(1_000 + seconds)
}

#[test]
fn a_domain_rests_after_two_messages_and_no_other_with_it() {
    for reply in [Reply::Failure, Reply::Silence] {
        let mut troubles = Troubles::default();
        assert!(!troubles.learn("dead.example", reply, at(0)));
        assert_eq!(troubles.rests("dead.example", at(1)), None);
        assert!(!troubles.learn("dead.example", reply, at(1)));
        let why = troubles.rests("dead.example", at(2)).unwrap();
        assert!(why.contains("about dead.example lately"), "{why}");
        assert_eq!(troubles.rests("example.com", at(2)), None);
        // One try more after the rest, and then the next rest.
        assert_eq!(troubles.rests("dead.example", at(31)), None);
        assert!(!troubles.learn("dead.example", reply, at(31)));
        assert!(troubles.rests("dead.example", at(32)).is_some());
        // An answer forgives all.
        assert!(!troubles.learn("dead.example", Reply::Answer, at(70)));
        assert!(!troubles.learn("dead.example", reply, at(71)));
        assert_eq!(troubles.rests("dead.example", at(72)), None);
    }
}

#[test]
fn only_the_resolver_itself_can_have_everybody_rest() {
    let dead = |nth: u64| format!("dead{nth}.example");
    // However many domains strangers bring: the resolver knows the root, and nothing rests.
    let mut troubles = Troubles::default();
    let mut probes = 0;
    for nth in 0..5_000 {
        if troubles.learn(&dead(nth), Reply::Silence, at(nth / 100)) {
            probes += 1;
            troubles.probed(true, at(nth / 100));
        }
        assert_eq!(troubles.rests("example.com", at(nth / 100)), None);
    }
    assert!((1..=6).contains(&probes), "{probes}");
    assert!(troubles.domains.len() <= DOMAINS_MAX);

    // What it cannot find out, it says: it is there.
    let mut troubles = Troubles::default();
    assert!((0..100).all(|nth| !troubles.learn(&dead(nth), Reply::Failure, at(nth))));
    // The same domain again and again is one domain, and any word in between begins anew.
    assert!((0..100).all(|_| !troubles.learn("dead.example", Reply::Silence, at(0))));
    for nth in 0..100 {
        assert!(!troubles.learn(&dead(nth), Reply::Silence, at(0)));
        let word = match nth % 2 {
            0 => Reply::Answer,
            _ => Reply::Failure,
        };
        assert!(!troubles.learn("example.com", word, at(0)));
    }

    // It says nothing about the root either: nobody is asked, then one probe more at once.
    assert!(!troubles.learn("a.example", Reply::Silence, at(0)));
    assert!(!troubles.learn("b.example", Reply::Silence, at(0)));
    assert!(troubles.learn("c.example", Reply::Silence, at(0)));
    assert!(!troubles.learn("d.example", Reply::Silence, at(0)));
    troubles.probed(false, at(2));
    let why = troubles.rests("example.com", at(3)).unwrap();
    assert!(why.contains("the DNS servers did not answer"), "{why}");
    assert_eq!(troubles.rests("example.com", at(32)), None);
    assert!(troubles.learn("e.example", Reply::Silence, at(33)));
    troubles.probed(false, at(35));
    assert!(troubles.rests("example.com", at(36)).is_some());
    // The first word of it ends all of that.
    assert!(!troubles.learn("f.example", Reply::Failure, at(37)));
    assert_eq!(troubles.rests("example.com", at(37)), None);
}
