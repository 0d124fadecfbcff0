//! Links, cookies and tokens.

use http::Method;
use serde_json::json;

use super::board::{Board, Login, token};
use crate::support::program::Program;

/// known fault 19: nothing is answered to who has no login, and half of one is none.
#[tokio::test]
async fn who_is_not_logged_in_gets_the_pages_files_and_nothing_else() {
    let program = Program::bare();
    let board = Board::of(&program);
    let first = board.log_in().await;
    let second = board.another(&first).await;
    let (cookie, other) = (("cookie", &*first.cookie), ("x-loopsy-token", &*second.token));
    for headers in [
        &[][..],
        &[cookie],
        &[("x-loopsy-token", &*first.token)],
        &[cookie, other],
        &[cookie, ("x-loopsy-token", "")],
        &[("cookie", "loopsy-1=x"), ("x-loopsy-token", &first.token)],
        &[("cookie", &*format!("loopsy-{}={}", board.first.port, first.token)), ("x-loopsy-token", &first.token)],
        &[cookie, ("authorization", &*format!("Bearer {}", first.token))],
    ] {
        let paths = ["/d/main/api/v1/status", "/me", "/logins", "/live", "/d/nobody/api/v1/status"];
        // Who guesses is kept waiting.
        for path in paths.iter().take(if headers.len() < 2 { paths.len() } else { 1 }) {
            let answer = board.ask(Method::GET, path, headers, "").await;
            assert_eq!((answer.status.as_u16(), answer.code()), (401, 1001), "{path}");
            assert!(answer.header("www-authenticate").is_none() && answer.header("set-cookie").is_none());
        }
    }
    assert_eq!(board.get(&first, "/me").await.status, 200);
    assert_eq!(board.ask(Method::GET, "/", &[], "").await.status, 200);
}

/// known fault 19: a stolen link is of no use once the owner has used it.
#[tokio::test]
async fn a_link_works_once() {
    let program = Program::bare();
    let board = Board::of(&program);
    let link = token(&board.first.url);
    let entered = board.enter(link, &[]).await;
    let cookie = entered.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with(&format!("loopsy-{}=", board.first.port)) && cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"),
        "{cookie}"
    );
    assert!(!cookie.contains(&Login::of(&entered).token));
    for wrong in [link, "", "x", &"a".repeat(64), &cookie[..80]] {
        let refused = board.enter(wrong, &[]).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, 1003), "{refused:?}");
        assert!(refused.header("set-cookie").is_none());
    }
}

#[tokio::test]
async fn a_second_tab_does_not_log_the_first_one_out() {
    let program = Program::bare();
    let board = Board::of(&program);
    let first = board.log_in().await;
    let made = board.call(&first, Method::POST, "/links", &json!({})).await.json();
    let entered = board.enter(token(made["url"].as_str().unwrap()), &[("cookie", &first.cookie)]).await;
    assert!(entered.header("set-cookie").is_none());
    let second = Login { cookie: first.cookie.clone(), ..Login::of(&entered) };
    assert!(second.id != first.id && second.token != first.token);
    for login in [&first, &second] {
        assert_eq!(board.get(login, "/me").await.json()["loginId"], login.id);
    }
}

#[tokio::test]
async fn logins_are_listed_and_can_be_ended() {
    let program = Program::bare();
    let board = Board::of(&program);
    let first = board.log_in().await;
    let second = board.another(&first).await;
    let rows = board.get(&second, "/logins").await.json()["logins"].clone();
    let ids: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| (row["loginId"].as_str().unwrap(), row["current"].as_bool().unwrap())).collect();
    assert_eq!(ids, [(&*second.id, true), (&*first.id, false)]);
    assert_eq!((&rows[0]["from"], &rows[0]["userAgent"]), (&json!("127.0.0.1"), &json!("")));
    let ended = board.ask(Method::DELETE, &format!("/logins/{}", first.id), &second.headers(), "").await;
    assert_eq!(ended.status, 200);
    assert_eq!(board.get(&first, "/me").await.status, 401);
    let again = board.ask(Method::DELETE, &format!("/logins/{}", first.id), &second.headers(), "").await;
    assert_eq!((again.status.as_u16(), again.code()), (404, 9004));
    assert_eq!(board.call(&second, Method::POST, "/logout", &json!({})).await.status, 200);
    assert_eq!(board.get(&second, "/me").await.status, 401);
}
