//! The handshake between the two machines, step by step.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::time::Instant;

use super::agreement::{Agreement, Card, Sealed};
use super::calling::Calling;
use super::crypto::Introduction;
use super::papers::Papers;
use super::waiting::{End, Finish, LIFETIME, TRIES, TRY, ToWrite, WRONG_CODES, Waiting};
use crate::api::pairing::{PairEnder, PairExchange, PairInitiate};
use crate::base::secret::Secret;
use crate::base::{Code, Error, Fingerprint, Result, clock};
use crate::home::Home;
use crate::home::certificate::load_or_create;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 9));

fn card(name: &str) -> Card {
    Card {
        node_id: format!("id-{name}"),
        hostname: name.into(),
        port: 19532,
        platform: "linux".into(),
        cert_fingerprint: Fingerprint::of(name.as_bytes()),
        capabilities: vec!["execute".into()],
        certificate: None,
        proof: None,
    }
}
fn papers() -> Papers {
    let dir = tempfile::tempdir().unwrap();
    Papers::of(&load_or_create(&Home::at(dir.path()), "any", clock::now()).unwrap()).unwrap()
}
fn sealed_card(name: &str) -> Sealed {
    Sealed::Card(Box::new(card(name)))
}
fn me(name: &str) -> Introduction {
    Introduction { node_id: format!("id-{name}"), hostname: name.into() }
}
fn waiting(now: Instant) -> Waiting {
    Waiting::start(card("kai"), papers(), now).unwrap()
}
/// Another code than the one that is shown.
fn wrong(right: &Secret) -> Secret {
    Secret::new(if right.expose() == "000000" { "000001" } else { "000000" })
}
/// Both steps of a caller that types this code.
fn call(kai: &mut Waiting, now: Instant, code: &Secret) -> Result<Agreement> {
    let (leo, initiate) = Calling::begin(me("leo"), code)?;
    let (leo, exchange) = leo.initiated(&kai.initiate(now, &initiate)?)?;
    leo.exchanged(&kai.exchange(now, HERE, &exchange)?)
}
fn agreed(now: Instant) -> (Waiting, Agreement) {
    let mut kai = waiting(now);
    let code = kai.code().clone();
    let leo = call(&mut kai, now, &code).unwrap();
    (kai, leo)
}
fn code_of<T>(result: Result<T>) -> Code {
    result.err().unwrap().code
}

/// known fault 28: neither side's yes is enough by itself.
#[test]
fn both_users_say_yes_before_anything_is_written() {
    let now = Instant::now();
    let (mut kai, leo) = agreed(now);
    assert_eq!(kai.agreed().unwrap().0.digits(), leo.digits());
    let sealed = leo.seal(&sealed_card("leo")).unwrap();
    kai.confirm(now, true).unwrap();
    assert!(kai.to_write().is_none(), "the other user has not said yes");
    assert_eq!(kai.finish(now, &leo.session_id, &sealed).unwrap(), Finish::Wait);
    let ToWrite { card: told, from, key, is_proved } = kai.to_write().unwrap();
    assert_eq!((told, from, key.expose(), is_proved), (card("leo"), HERE, leo.pair_key().expose(), false));
    assert!(kai.to_write().is_none(), "it is written once");
    assert!(!kai.written(Ok("leo".into())));
    let Finish::Reply(reply) = kai.finish(now, &leo.session_id, &sealed).unwrap() else { panic!("there is no reply") };
    let Sealed::Card(told) = leo.open(&reply).unwrap() else { panic!("it was rejected") };
    assert_eq!((told.node_id.as_str(), told.cert_fingerprint), ("id-kai", card("kai").cert_fingerprint));
    // A lost answer is asked for again.
    assert_eq!(kai.finish(now, &leo.session_id, &sealed).unwrap(), Finish::Reply(reply));
    assert!(kai.to_write().is_none());
    assert_eq!(code_of(kai.finish(now + LIFETIME, &leo.session_id, &sealed)), Code::PairExpired);

    let (mut kai, leo) = agreed(now);
    assert_eq!(kai.finish(now, &leo.session_id, &leo.seal(&sealed_card("leo")).unwrap()).unwrap(), Finish::Wait);
    assert!(kai.to_write().is_none(), "this side's user has not said yes");
}

/// A newcomer may name any certificate; only the owner of its key can prove that it is its own, and only to whom it pairs with.
#[test]
fn a_certificate_is_proved_by_its_key() {
    let now = Instant::now();
    let (kai, leo) = agreed(now);
    let (kai, papers) = (kai.agreed().unwrap().0, papers());
    let mine = Card { cert_fingerprint: papers.fingerprint, ..card("leo") };
    let Sealed::Card(told) = leo.signed(mine.clone(), &papers) else { panic!("it is a card") };
    assert!(kai.is_proved(&told));
    assert!(!kai.is_proved(&mine) && !kai.is_proved(&Card { cert_fingerprint: card("kai").cert_fingerprint, ..*told.clone() }));
    let (_, eve) = agreed(now);
    let Sealed::Card(replayed) = eve.signed(mine, &papers) else { panic!("it is a card") };
    assert!(!kai.is_proved(&replayed));
}

#[test]
fn a_no_or_a_failure_here_is_told_there_in_a_sealed_box() {
    let now = Instant::now();
    for fail in [0, 1, 2] {
        let (mut kai, leo) = agreed(now);
        let sealed = leo.seal(&sealed_card("leo")).unwrap();
        match fail {
            0 => kai.confirm(now, false).unwrap(),
            1 => kai.fail(Error::new(Code::PairRejected, "ended"), Some(PairEnder::Here)),
            _ => {
                kai.confirm(now, true).unwrap();
                kai.finish(now, &leo.session_id, &sealed).unwrap();
                kai.to_write().unwrap();
                assert!(!kai.written(Err(Error::new(Code::PairRejected, "the id is another machine's"))));
            }
        }
        let Finish::Reply(reply) = kai.finish(now, &leo.session_id, &sealed).unwrap() else { panic!("there is no reply") };
        assert_eq!(leo.open(&reply).unwrap(), Sealed::Rejected { rejected: true });
        assert!(kai.to_write().is_none());
        assert!(matches!(kai.end(), Some(End::Failed(..))));
    }
}

/// known fault 29: three wrong codes and the code is void, and it is told from where they came.
#[test]
fn three_wrong_codes_void_the_code() {
    let now = Instant::now();
    let mut kai = waiting(now);
    let right = kai.code().clone();
    for left in (0..WRONG_CODES).rev() {
        let error = call(&mut kai, now, &wrong(&right)).err().unwrap();
        assert_eq!((error.code, error.details.unwrap()["attemptsLeft"].as_u64()), (Code::PairWrongCode, Some(u64::from(left))));
        assert!(kai.agreed().is_none(), "a stranger raises no prompt");
    }
    let Some(End::Failed(error, None)) = kai.end() else { panic!("{:?}", kai.end()) };
    assert_eq!(error.message, "3 wrong codes from 192.168.1.9; this code is void");
    assert_eq!(code_of(call(&mut kai, now, &right)), Code::PairExpired);
}

/// known fault 29: whoever used up the tries is named, not just whoever came last.
#[test]
fn wrong_codes_from_several_machines_name_them_all() {
    let now = Instant::now();
    let mut kai = waiting(now);
    let typed = wrong(kai.code());
    for last in [9, 7, 9] {
        let (leo, initiate) = Calling::begin(me("leo"), &typed).unwrap();
        let (_, exchange) = leo.initiated(&kai.initiate(now, &initiate).unwrap()).unwrap();
        assert_eq!(code_of(kai.exchange(now, [10, 0, 0, last].into(), &exchange)), Code::PairWrongCode);
    }
    let Some(End::Failed(error, None)) = kai.end() else { panic!("{:?}", kai.end()) };
    assert_eq!(error.message, "3 wrong codes from 10.0.0.7, 10.0.0.9; this code is void");
}

/// known fault 29: nobody tries more than ten beginnings on one code, right or not.
#[test]
fn a_code_is_good_for_ten_tries_from_everybody_together() {
    let now = Instant::now();
    let mut kai = waiting(now);
    let code = kai.code().clone();
    let begin = || Calling::begin(me("eve"), &wrong(&code)).unwrap().1;
    for _ in 1..TRIES {
        kai.initiate(now, &begin()).unwrap();
    }
    let (leo, initiate) = Calling::begin(me("leo"), &code).unwrap();
    let (leo, exchange) = leo.initiated(&kai.initiate(now, &initiate).unwrap()).unwrap();
    assert_eq!(code_of(kai.initiate(now, &begin())), Code::PairExpired);
    assert!(kai.end().is_none(), "the tenth may still be the right one");
    leo.exchanged(&kai.exchange(now, HERE, &exchange).unwrap()).unwrap();

    let mut kai = waiting(now);
    (0..TRIES).for_each(|_| drop(kai.initiate(now, &begin()).unwrap()));
    assert_eq!(kai.next_tick(), now + TRY);
    kai.tick(now + TRY);
    assert!(matches!(kai.end(), Some(End::Failed(error, None)) if error.message.contains("this code is void")));
}

#[test]
fn a_try_is_good_for_one_exchange_within_ten_seconds() {
    let now = Instant::now();
    let mut kai = waiting(now);
    let code = kai.code().clone();
    let attempt = |kai: &mut Waiting, code: &Secret| {
        let (leo, initiate) = Calling::begin(me("leo"), code).unwrap();
        leo.initiated(&kai.initiate(now, &initiate).unwrap()).unwrap().1
    };
    let exchange = attempt(&mut kai, &code);
    assert_eq!(code_of(kai.exchange(now + TRY, HERE, &exchange)), Code::PairNoSession);
    let exchange = attempt(&mut kai, &wrong(&code));
    assert_eq!(code_of(kai.exchange(now, HERE, &exchange)), Code::PairWrongCode);
    assert_eq!(code_of(kai.exchange(now, HERE, &exchange)), Code::PairNoSession);
    // A right one, and its replay.
    let exchange = attempt(&mut kai, &code);
    kai.exchange(now, HERE, &exchange).unwrap();
    assert_eq!(code_of(kai.exchange(now, HERE, &exchange)), Code::PairNoSession);
}

#[test]
fn of_two_who_know_the_code_the_first_wins_and_the_second_is_told() {
    let now = Instant::now();
    let mut kai = waiting(now);
    let code = kai.code().clone();
    let [(leo, l), (eve, e)] = ["leo", "eve"].map(|name| Calling::begin(me(name), &code).unwrap());
    let (leo, l) = leo.initiated(&kai.initiate(now, &l).unwrap()).unwrap();
    let (_, e) = eve.initiated(&kai.initiate(now, &e).unwrap()).unwrap();
    let leo = leo.exchanged(&kai.exchange(now, HERE, &l).unwrap()).unwrap();
    assert_eq!(code_of(kai.exchange(now, HERE, &e)), Code::PairNoSession);
    assert_eq!(code_of(call(&mut kai, now, &code)), Code::PairActive);
    assert_eq!(kai.agreed().unwrap().0.digits(), leo.digits());
}

#[test]
fn what_was_not_committed_to_is_refused_before_anything_is_shown() {
    let now = Instant::now();
    let mut kai = waiting(now);
    let code = kai.code().clone();
    let (_, committed) = Calling::begin(me("leo"), &code).unwrap();
    let (other, _) = Calling::begin(me("leo"), &code).unwrap();
    let (_, exchange) = other.initiated(&kai.initiate(now, &committed).unwrap()).unwrap();
    assert_eq!(code_of(kai.exchange(now, HERE, &exchange)), Code::PairInvalid);
    assert!(kai.agreed().is_none());
    assert_eq!(kai.attempts_left(), WRONG_CODES);
}

#[test]
fn only_the_other_machine_can_cancel_or_finish() {
    let now = Instant::now();
    let (mut kai, leo) = agreed(now);
    let (_, eve) = agreed(now);
    let cancel = leo.cancel();
    let (session, mac) = (cancel.session_id.unwrap(), cancel.mac.unwrap());
    for (session, mac, code) in [
        (&session, "", Code::PairInvalid),
        (&session, "AAAA", Code::PairInvalid),
        (&session, "\0", Code::PairInvalid),
        (&session, eve.cancel().mac.unwrap().as_str(), Code::PairInvalid),
        (&String::new(), mac.as_str(), Code::PairNoSession),
    ] {
        assert_eq!(code_of(kai.cancelled(now, session, mac)), code);
    }
    for sealed in ["", "AAAA", "\0", "é", &"A".repeat(10_000), &eve.seal(&sealed_card("leo")).unwrap()] {
        assert!(kai.finish(now, &session, sealed).is_err(), "{sealed}");
    }
    assert!(kai.end().is_none());
    assert!(!kai.cancelled(now, &session, &mac).unwrap());
    let Some(End::Failed(error, Some(PairEnder::There))) = kai.end() else { panic!("{:?}", kai.end()) };
    assert_eq!(error.message, "leo ended the pairing");
}

#[test]
fn a_box_about_another_machine_is_refused() {
    let now = Instant::now();
    let (mut kai, leo) = agreed(now);
    let mut many = card("leo");
    many.capabilities = vec!["x".into(); 65];
    let boxes = [card("eve"), Card { node_id: "id-kai".into(), ..card("leo") }, Card { port: 0, ..card("leo") }, many];
    for card in boxes.map(Box::new) {
        let sealed = leo.seal(&Sealed::Card(card)).unwrap();
        assert_eq!(code_of(kai.finish(now, &leo.session_id, &sealed)), Code::PairInvalid);
    }
    // This side's own box, sent back to it.
    let back = kai.agreed().unwrap().0.seal(&sealed_card("leo")).unwrap();
    assert_eq!(code_of(kai.finish(now, &leo.session_id, &back)), Code::PairInvalid);
}

/// known fault 29: what a stranger sends is checked, field by field, and costs no attempt.
#[test]
fn hostile_first_steps_are_refused_and_cost_nothing() {
    let now = Instant::now();
    let mut kai = waiting(now);
    let code = kai.code().clone();
    let (_, good) = Calling::begin(me("leo"), &code).unwrap();
    let long = "x".repeat(5000);
    let bad = |change: &dyn Fn(&mut PairInitiate)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let requests = [
        bad(&|r| r.version = 1),
        bad(&|r| r.version = u32::MAX),
        bad(&|r| r.node_id.clear()),
        bad(&|r| r.node_id = "a\0b".into()),
        bad(&|r| r.node_id = "../x".into()),
        bad(&|r| r.node_id = "id-kai".into()),
        bad(&|r| r.node_id.clone_from(&long)),
        bad(&|r| r.hostname.clear()),
        bad(&|r| r.hostname = " ".into()),
        bad(&|r| r.hostname = "a\u{1b}[2J".into()),
        bad(&|r| r.hostname = "le\u{200b}o".into()),
        bad(&|r| r.hostname.clone_from(&long)),
        bad(&|r| r.commitment.clear()),
        bad(&|r| r.commitment.clone_from(&long)),
        bad(&|r| r.commitment.push('=')),
    ];
    for request in requests {
        assert_eq!(code_of(kai.initiate(now, &request)), Code::InvalidRequest, "{request:?}");
    }
    assert!((0..TRIES).all(|_| kai.initiate(now, &good).is_ok()));
}

#[test]
fn hostile_second_steps_are_refused() {
    let now = Instant::now();
    let zeros = crate::base::base64url::encode(&[0; 65]);
    let spake_zeros = crate::base::base64url::encode(&[0; 33]);
    let long = "A".repeat(10_000);
    let changes: [&dyn Fn(&mut PairExchange); 8] = [
        &|r| r.public_key.clear(),
        &|r| r.public_key.clone_from(&zeros),
        &|r| r.public_key.clone_from(&long),
        &|r| r.public_key = "\0".into(),
        &|r| r.nonce.clear(),
        &|r| r.nonce = "é".into(),
        &|r| r.pake.clone_from(&spake_zeros),
        &|r| r.pake.clone_from(&long),
    ];
    for change in changes {
        let mut kai = waiting(now);
        let code = kai.code().clone();
        let (leo, initiate) = Calling::begin(me("leo"), &code).unwrap();
        let (_, mut exchange) = leo.initiated(&kai.initiate(now, &initiate).unwrap()).unwrap();
        change(&mut exchange);
        assert_eq!(code_of(kai.exchange(now, HERE, &exchange)), Code::PairInvalid, "{exchange:?}");
        assert!(kai.agreed().is_none() && kai.end().is_none());
    }
}

#[test]
fn a_waiting_machine_that_does_not_know_the_code_is_found_out() {
    let now = Instant::now();
    let mut eve = waiting(now);
    let typed = wrong(eve.code());
    let (leo, initiate) = Calling::begin(me("leo"), &typed).unwrap();
    let (_, exchange) = leo.initiated(&eve.initiate(now, &initiate).unwrap()).unwrap();
    assert_eq!(code_of(eve.exchange(now, HERE, &exchange)), Code::PairWrongCode);
    for confirm in [exchange.confirm.clone(), String::new(), "AAAA".into(), "\0".into()] {
        let (leo, initiate) = Calling::begin(me("leo"), &typed).unwrap();
        let (leo, _) = leo.initiated(&waiting(now).initiate(now, &initiate).unwrap()).unwrap();
        assert_eq!(code_of(leo.exchanged(&crate::api::pairing::PairExchanged { confirm })), Code::PairInvalid);
    }
}

#[test]
fn all_ends_when_its_time_is_over() {
    let now = Instant::now();
    let mut kai = waiting(now);
    let code = kai.code().clone();
    assert_eq!(kai.next_tick(), now + LIFETIME);
    kai.tick(now + LIFETIME - Duration::from_millis(1));
    assert!(kai.end().is_none());
    assert_eq!(code_of(call(&mut kai, now + LIFETIME, &code)), Code::PairExpired);
    assert_eq!(kai.end(), Some(&End::Expired));
    let (mut kai, leo) = agreed(now);
    assert_eq!(code_of(kai.confirm(now + LIFETIME, true)), Code::PairNoSession);
    let sealed = leo.seal(&sealed_card("leo")).unwrap();
    assert_eq!(code_of(kai.finish(now + LIFETIME, &leo.session_id, &sealed)), Code::PairExpired);
    assert!(kai.to_write().is_none());
}
