//! What the sender says: group texts as `OpenIM` posts them.

/// Bytes of a body.
pub const BODY_BYTES: usize = 600;

/// The request of one connection, head and body. Each connection stands for a conversation of its
/// own, so that records go to all partitions, as they do in life.
pub fn group_text(connection: usize) -> Vec<u8> {
    let body = body(connection);
    let mut request = format!(
        "POST /openim/callbackAfterSendGroupMsgCommand?contenttype=json HTTP/1.1\r\n\
         Host: 127.0.0.1:8080\r\n\
         User-Agent: Go-http-client/1.1\r\n\
         Content-Length: {}\r\n\
         Content-Type: application/json; charset=utf-8\r\n\
         Operationid: 17356896{connection:05}\r\n\
         Accept-Encoding: gzip\r\n\r\n",
        body.len()
    );
    request.push_str(&body);
    request.into_bytes()
}

fn body(connection: usize) -> String {
    let with = |text: &str| {
        format!(
            r#"{{"sendID":"46{connection:08}","callbackCommand":"callbackAfterSendGroupMsgCommand","serverMsgID":"8cf2a7e1b9d04c3f6a5e{connection:012x}","clientMsgID":"5d41402abc4b2a76b971{connection:012x}","operationID":"17356896{connection:05}","senderPlatformID":2,"senderNickname":"Marie","sessionType":3,"msgFrom":100,"contentType":101,"status":1,"sendTime":1735689600123,"createTime":1735689600045,"content":"{{\"content\":\"{text}\"}}","seq":4711,"atUserList":[],"faceURL":"https://example.com/faces/0815.png","ex":"","groupID":"31{connection:08}"}}"#
        )
    };
    let missing = BODY_BYTES - with("").len();
    let text = "See you at the station at seven, ".repeat(1 + missing / 33);
    with(&text[..missing])
}
