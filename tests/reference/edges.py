"""The edge requests, each with what the rules say of it, worked out by hand.

    edges.py        writes tests/fixtures/edges.jsonl

In: nothing. Out: one request a line, in the form of the worked examples plus a `name`. `make_fixtures.py` runs them
through the reference and fails where the outcome is not what stands here. An expectation names only what the edge is
about: `data` (a field to its JSON text, None for absent; of the first record, or of each for a list), `event`
(attributes in the same way), `raw` (JSON text), `topics`, `hashed` (the text whose hash is the id), `reply` (JSON
text).
"""

import base64
import hashlib
import json
import pathlib

from jsontext import Num, compact, read

EDGES = []
ALLOW = '{"actionCode":0,"errCode":0,"errMsg":"","errDlt":"","nextCode":0}'
OK = '{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}'
UNKNOWN = ["im.unknown"]
TEXT_MAX = 65536


def add(request, name, body, expect):
    if isinstance(body, bytes):
        request["body_base64"] = base64.b64encode(body).decode()
    else:
        request["body"] = body if isinstance(body, str) else compact(body)
    EDGES.append(({"name": name, **request, "received_at_ms": 1735689600123}, expect))


def openim(name, body, command="", path=None, query="", headers=None, **expect):
    """An OpenIM request; the path is the command unless given."""
    add(
        {
            "provider": "openim",
            "deployment": "demo",
            "method": "POST",
            "path": f"/{command}" if path is None else path,
            "query": query,
            "headers": {"Operationid": "op-1"} if headers is None else headers,
        },
        name,
        body,
        expect,
    )


def tencent(name, body, command="", query=None, **expect):
    """A Tencent request; the query names the command unless given."""
    asked = f"SdkAppid=1400000001&CallbackCommand={command}" if query is None else query
    add(
        {
            "provider": "tencent",
            "deployment": "1400000001",
            "method": "POST",
            "path": "/",
            "query": asked,
            "headers": {},
        },
        name,
        body,
        expect,
    )


def check(edge, result):
    """What is wrong with the outcome of an edge, as texts."""
    request, expect = edge
    name, records = request["name"], result["records"]
    problems = []

    def same(what, want, got):
        if want != got:
            problems.append(f"{name}: {what}\n  by hand   {want[:300]}\n  reference {got[:300]}")

    def members(what, wanted, holder):
        for key, want in wanted.items():
            got = compact(holder[key]) if key in holder else "absent"
            same(f"{what} {key}", "absent" if want is None else compact(read(want)), got)

    if "topics" in expect:
        same("topics", " ".join(expect["topics"]), " ".join(r["topic"] for r in records))
    for part in ("data", "event"):
        wanted = expect.get(part, [])
        wanted = wanted if isinstance(wanted, list) else [wanted]
        if wanted and isinstance(expect[part], list):
            same("number of records", str(len(wanted)), str(len(records)))
        for want, record in zip(wanted, records):
            members(part, want, record["event"]["data"] if part == "data" else record["event"])
    raws = expect.get("raw", [])
    for want, record in zip(raws if isinstance(raws, list) else [raws], records):
        same("raw", want, compact(record["event"]["data"].get("raw")))
    hashed = expect.get("hashed", [])
    for want, record in zip(hashed if isinstance(hashed, list) else [hashed], records):
        data = want if isinstance(want, bytes) else want.encode()
        same("id", hashlib.sha256(data).hexdigest()[:32], record["event"]["id"])
    if "reply" in expect:
        same("reply", expect["reply"], compact(result["reply"]))
    return problems


def part(text):
    """One part of an id."""
    return f"{len(text.encode())}:{text}"


QUIT, KICK, READ = "callbackAfterQuitGroupCommand", "callbackAfterKickGroupCommand", "callbackAfterSingleMsgReadCommand"
MINUTE = part("28928160")


# --- ids, lists, numbers ---------------------------------------------------------------------------------------------

openim(
    "id: an integer of any size is its literal",
    '{"groupID":123456789012345678901234567890,"userID":-0}',
    QUIT,
    data={"group_id": '"123456789012345678901234567890"', "member_ids": '["-0"]'},
    event={"partitionkey": '"group:123456789012345678901234567890"'},
    raw='{"groupID":123456789012345678901234567890,"userID":-0}',
)
openim(
    "id: a real, a boolean, a list are no ids; names in vocabulary order",
    '{"userID":["u"],"groupID":1.0}',
    QUIT,
    topics=UNKNOWN,
    data={"unknown_reason": '"missing_field"', "missing_fields": '["group_id","member_ids"]'},
    raw='{"userID":["u"],"groupID":1.0}',
    reply=ALLOW,
)
openim(
    "id: no minus, no exponent, white space stays",
    '{"groupID":" g 1 ","userID":1e3}',
    QUIT,
    topics=UNKNOWN,
    data={"missing_fields": '["member_ids"]'},
)
for title, value, members in (
    ("elements that are no ids are dropped", '["a",5,"",1.5,null,true,["x"],{"y":1},"b","a"]', '["a","5","b","a"]'),
    ("one text", '"u1"', '["u1"]'),
    ("one integer", "7", '["7"]'),
    ("a text that is a JSON list", '"[\\"a\\", 7, 1.0, \\"\\"] "', '["a","7"]'),
    ("a text that only begins like a list", '"[bad"', '["[bad"]'),
    ("a text with a space before the list", '" [1]"', '[" [1]"]'),
    ("a text with an empty list", '"[]"', "[]"),
    ("a list inside the text's list is no id", '"[[\\"a\\"]]"', "[]"),
    ("null, where OpenIM writes null for empty", "null", "[]"),
    ("an empty list", "[]", "[]"),
):
    openim(
        f"ids: {title}",
        f'{{"groupID":"g","kickedUserIDs":{value}}}',
        KICK,
        topics=["im.group.member.kicked"],
        data={"member_ids": members},
    )
for title, value in (("empty text", '""'), ("an object", '{"0":"a"}'), ("a real", "1.0"), ("true", "true")):
    openim(
        f"ids: {title} is absent",
        f'{{"groupID":"g","kickedUserIDs":{value}}}',
        KICK,
        topics=UNKNOWN,
        data={"missing_fields": '["member_ids"]'},
    )
openim("ids: a missing list is not a null one", '{"groupID":"g"}', KICK, topics=UNKNOWN)
openim(
    "ints: elements through int",
    '{"conversationID":"si_a_b","userID":"u","Seqs":["1",2,"x",3.0,"-4",9223372036854775807,9223372036854775808,"007"]}',
    READ,
    data={"sequences": "[1,2,-4,9223372036854775807,7]"},
)
openim(
    "ints: null asks the next alternative",
    '{"conversationID":"si_a_b","userID":"u","Seqs":null,"seqs":[4]}',
    READ,
    data={"sequences": "[4]"},
)
openim(
    "ints: an empty list is a value",
    '{"conversationID":"si_a_b","userID":"u","Seqs":[],"seqs":[4]}',
    READ,
    data={"sequences": "[]"},
)
openim(
    "ints: a word is absent, a text with a list is one",
    '{"conversationID":"si_a_b","userID":"u","Seqs":"many","seqs":"[1,\\"2\\"]"}',
    READ,
    data={"sequences": "[1,2]"},
)
tencent(
    "lower: ASCII letters only; ids: one text",
    '{"RoomId":"r","opType":"ADD-É","Admin_Account":"u1","EventTime":1735689599500}',
    "Live.CallbackAfterModifyAdmin",
    data={"operation": '"add-É"', "admin_ids": '["u1"]'},
    hashed=part("tencent")
    + part("Live.CallbackAfterModifyAdmin")
    + part("r")
    + part("ADD-É")
    + part("u1")
    + part("1735689599500"),
)
tencent(
    "lower: a number is absent",
    '{"RoomId":"r","opType":5,"Admin_Account":[5,"5"],"EventTime":1735689599500}',
    "Live.CallbackAfterModifyAdmin",
    data={"operation": None, "admin_ids": '["5","5"]'},
)
tencent(
    "strs: words of any kind",
    '{"RoomId":"r","Keys":["a",7,"",null,"b"],"EventTime":1735689599500}',
    "Live.CallbackAfterDelMetadata",
    data={"attribute_keys": '["a","7","b"]'},
)

# --- str, text, int, bool, times -------------------------------------------------------------------------------------

openim(
    "str: a real is its literal", '{"groupID":"g","kickedUserIDs":["u"],"reason":1e3}', KICK, data={"reason": '"1e3"'}
)
openim("str: a boolean is absent", '{"groupID":"g","kickedUserIDs":["u"],"reason":true}', KICK, data={"reason": None})
openim(
    "text: everything but null; int: text with leading zeros",
    '{"groupID":"g","groupName":1.50,"notification":true,"introduction":{"value" : "x","n":[1.0, null]},"faceURL":[],'
    '"ex":"","needVerification":"007","lookMemberInfo":"+5","applyMemberFriend":1.0}',
    "callbackAfterSetGroupInfoExCommand",
    data={
        "name": '"1.50"',
        "notification": '"true"',
        "introduction": '"{\\"value\\":\\"x\\",\\"n\\":[1.0,null]}"',
        "face_url": '"[]"',
        "extra": '""',
        "need_verification": "7",
        "look_member_info": None,
        "apply_member_friend": None,
    },
)
openim(
    "int: signed 64 bits",
    '{"groupID":"g","needVerification":9223372036854775808,"lookMemberInfo":-9223372036854775808,"applyMemberFriend":"-1"}',
    "callbackAfterSetGroupInfoExCommand",
    data={"need_verification": None, "look_member_info": "-9223372036854775808", "apply_member_friend": "-1"},
)
openim(
    "nonzero, and echoes as received: last of equal names, absent ones left out",
    '{"groupID":"g","groupName":1.50,"groupID":"g2","needVerification":0,"lookMemberInfo":"0","applyMemberFriend":-1,"faceURL":null}',
    "callbackBeforeSetGroupInfoCommand",
    topics=["im.decisions"],
    data={
        "group_id": '"g2"',
        "name": '"1.50"',
        "need_verification": None,
        "look_member_info": None,
        "apply_member_friend": "-1",
    },
    raw='{"groupID":"g2","groupName":1.50,"needVerification":0,"lookMemberInfo":"0","applyMemberFriend":-1,"faceURL":null}',
    reply=ALLOW[:-1] + ',"groupID":"g2","groupName":1.50,"faceURL":null}',
)
BATTLE = "Live.CallbackAfterEndBattle"
tencent(
    "times: both ends of the range",
    '{"BattleId":"b","CreateTime":946684800,"StartTime":946684799,"EndTime":4102444800,"EventTime":4102444800001}',
    BATTLE,
    data={
        "created_at_ms": "946684800000",
        "started_at_ms": None,
        "ended_at_ms": "4102444800000",
        "occurred_at_ms": "4102444800000",
    },
    event={"time": '"2100-01-01T00:00:00.000Z"'},
)
tencent(
    "times: below 10^11 are seconds, from there milliseconds",
    '{"BattleId":"b","CreateTime":99999999999,"StartTime":100000000000,"EndTime":-5,"EventTime":"1735689599"}',
    BATTLE,
    data={"created_at_ms": None, "started_at_ms": None, "ended_at_ms": None, "occurred_at_ms": "1735689599000"},
    event={"time": '"2024-12-31T23:59:59.000Z"'},
)
tencent(
    "times: a real is absent, milliseconds in a field of seconds stay",
    '{"BattleId":"b","CreateTime":1735689599.0,"StartTime":"1735689599","EndTime":1735689599500,"EventTime":0}',
    BATTLE,
    data={
        "created_at_ms": None,
        "started_at_ms": "1735689599000",
        "ended_at_ms": "1735689599500",
        "occurred_at_ms": "1735689599500",
    },
)
tencent(
    "times: none at all, the receive time counts",
    '{"BattleId":"b","EventTime":"soon"}',
    BATTLE,
    data={"occurred_at_ms": None},
    event={"time": '"2025-01-01T00:00:00.123Z"'},
)
CONVERSATION = "callbackAfterCreateSingleChatConversationsCommand"
openim(
    "bool: only 0, 1, true, false and their texts",
    '{"conversationId":"si_b_a_c","ownerUserId":"a","isPinned":"TRUE","is_pinned":"1","isPrivateChat":1.0,"is_private_chat":0,"burnDuration":-1,"burn_duration":"30"}',
    CONVERSATION,
    data={"conversation_id": '"direct:b_a_c"', "pinned": "true", "private_chat": "false", "burn_seconds": "30"},
)
openim(
    "bool: 2 and null are absent; native needs something behind the first _",
    '{"conversationId":"si_","conversation_id":"sg_g_1","isPinned":2,"is_pinned":null}',
    "callbackAfterCreateGroupChatConversationsCommand",
    data={"conversation_id": '"group:g_1"', "conversation_type": '"group"', "group_id": '"g_1"', "pinned": None},
)
openim(
    "native: another head is absent",
    '{"conversationId":"xx_a_b","ownerUserId":"a"}',
    CONVERSATION,
    topics=UNKNOWN,
    data={"missing_fields": '["conversation_id","conversation_type"]'},
)

# --- tables ------------------------------------------------------------------------------------------------------------

ONLINE = "callbackAfterUserOnlineCommand"
openim(
    "enum: a code that means not given asks the next one",
    '{"platformID":0,"platform":"","Platform":"IOS","userID":"u","seq":1735689599500}',
    ONLINE,
    data={"platform": '"ios"'},
)
openim(
    "enum: a real is no code, an unknown one is the other word",
    '{"platformID":1.0,"platform":"Palm","userID":"u","seq":1735689599500}',
    ONLINE,
    data={"platform": '"unknown"'},
)
openim(
    "enum: other keep, other null",
    '{"groupID":"g","userID":"u","roleLevel":7}',
    "callbackAfterSetGroupMemberInfoCommand",
    data={"role": '"7"'},
)
for title, value, word in (
    ("U+0002", '"\\u0002"', '"working"'),
    ("U+0020 is none", '" "', '" "'),
    ("U+001F", '"\\u001f"', '"31"'),
    ("U+0000", '"\\u0000"', '"normal"'),
    ("U+0007, not in the table", '"\\u0007"', '"7"'),
    ("a printable character", '"2"', '"working"'),
    ("two characters", '"\\u0002\\u0002"', '"\\u0002\\u0002"'),
    ("a number", "1", '"super"'),
    ("empty text", '""', None),
):
    openim(
        f"char: {title}",
        f'{{"groupID":"g","groupType":{value},"membersID":null}}',
        "callbackAfterDisMissGroupCommand",
        data={"group_type": word, "member_ids": None},
        hashed=part("openim") + part("callbackAfterDisMissGroupCommand") + part("g"),
    )
openim(
    "nonempty: an empty list is absent",
    '{"groupID":"g","membersID":[]}',
    "callbackAfterDisMissGroupCommand",
    data={"member_ids": None},
)
FULL = "Group.CallbackAfterGroupFull"
for title, query, word in (
    ("a word not in the table", "OptPlatform=Palm", '"unknown"'),
    ("empty", "OptPlatform=", None),
    ("case counts", "OptPlatform=web", '"unknown"'),
):
    tencent(
        f"enum: platform of the query, {title}",
        '{"GroupId":"g","EventTime":1735689599500}',
        query=f"SdkAppid=14&CallbackCommand={FULL}&{query}",
        data={"platform": word},
    )
tencent(
    "enums: absent ones dropped",
    '{"EventTime":1735689599500,"Info":{"Action":"Login","To_Account":"u"},"KickedDevice":[{"Platform":"Palm"},{"Platform":""},{"x":1},{"Platform":null},"z",{"Platform":"Mac"}]}',
    "State.StateChange",
    data={"kicked_platforms": '["unknown","macos"]'},
)
tencent(
    "enums: no list",
    '{"EventTime":1735689599500,"Info":{"Action":"Logout","To_Account":7},"KickedDevice":{"Platform":"Mac"}}',
    "State.StateChange",
    topics=["im.user.offline"],
    data={"kicked_platforms": None, "user_id": '"7"'},
)
DIRECT = "callbackAfterSendSingleMsgCommand"
MESSAGE = '"sendID":"u2","recvID":"u1","serverMsgID":"s","sendTime":1735689599500,"contentType":101,"content":"{\\"content\\":\\"x\\"}"'
for title, value, mentions, everyone in (
    ("one text", '"AtAllTag"', "[]", "true"),
    ("null", "null", "[]", "false"),
    ("an object", "{}", None, None),
    ("list", '["a","AtAllTag",5,"AtAllTag"]', '["a","5"]', "true"),
    ("a text with a list", '"[\\"AtAllTag\\",\\"b\\"]"', '["b"]', "true"),
):
    openim(
        f"contains, without: {title}",
        f'{{{MESSAGE},"atUserList":{value}}}',
        DIRECT,
        data={"mentions": mentions, "mention_all": everyone},
    )
openim(
    "contains, without: missing; no origin, no type",
    f'{{{MESSAGE},"msgFrom":1,"sessionType":9}}',
    DIRECT,
    data={"mentions": None, "mention_all": None, "origin": None, "conversation_type": '"direct"'},
)
tencent(
    'contains: 1 and "1", null and what is no object are skipped',
    '{"GroupId":"g","From_Account":"u","MsgSeq":1,"GroupAtInfo":[{"GroupAtAllFlag":"1","GroupAt_Account":null},"x",{"GroupAt_Account":"u3"},{"GroupAt_Account":4}],"EventTime":1735689599500}',
    "Group.CallbackAfterSendMsg",
    data={"mentions": '["u3","4"]', "mention_all": "true", "content_type": None},
)
MODERATION = "ContentCallback.ResultNotify"
tencent(
    "join, when, strs: a text for a number",
    '{"CtxcbRequestId":"m","From_Account":"b","ContactItem":{"ContactType":"1","To_Account":"a"},"MsgID":"k","TextContent":["a","",5,null,"b"],"CtxcbKeywords":"[gold","CtxcbResult":"1"}',
    MODERATION,
    data={
        "text": '"a\\nb"',
        "message_id": '"k"',
        "sequence": None,
        "conversation_id": '"direct:a:b"',
        "moderation_keywords": '["[gold"]',
        "moderation_result": '"blocked"',
    },
)
tencent(
    "join of nothing, when on a real, a group before a user",
    '{"CtxcbRequestId":"m","From_Account":"b","ContactItem":{"ContactType":2.0,"To_Account":"a","ToGroupId":5},"MsgID":"7","TextContent":[],"FileURL":"","ContentType":"Hologram"}',
    MODERATION,
    data={
        "text": None,
        "message_id": None,
        "sequence": None,
        "conversation_id": '"group:5"',
        "group_id": '"5"',
        "media_urls": None,
        "content_type": '"unknown"',
    },
)

# --- projections, fan-out, kinds ---------------------------------------------------------------------------------------

openim(
    "projection: unique_by keeps the first per value, and one without; unique",
    '{"groupID":"g","createTime":0,"initMemberList":[{"userID":"a","roleLevel":20},{"roleLevel":60},{"userID":"a","roleLevel":100},{"roleLevel":100},{},"x",null,{"userID":"","roleLevel":{}},{"userID":5},{"userID":"5","roleLevel":7}]}',
    "callbackAfterCreateGroupCommand",
    data={
        "member_ids": '["a","5"]',
        "members": '[{"user_id":"a","role":"member"},{"role":"admin"},{"user_id":"5"}]',
        "created_at_ms": None,
    },
)
ROOM = "Live.CallbackAfterSetMetadata"
tencent(
    "projection: no list is absent",
    '{"RoomId":"r","Metadata":{"Key":"a"},"EventTime":1735689599500}',
    ROOM,
    data={"attributes": None},
)
tencent(
    "projection: an empty list is a value; body in the id is the bytes as received",
    '{"RoomId":"r","Metadata":[],"EventTime":1735689599500} ',
    ROOM,
    data={"attributes": "[]"},
    hashed=part("tencent")
    + part(ROOM)
    + part("r")
    + part("1735689599500")
    + part('{"RoomId":"r","Metadata":[],"EventTime":1735689599500} ')
    + part(""),
)
tencent(
    "path: the first hit counts, also when it lacks the member",
    '{"From_Account":"u","EventTime":1735689599500,"ProfileItem":[{"Tag":"Tag_Profile_IM_Nick"},{"Tag":"Tag_Profile_IM_Nick","Value":"n"},{"Tag":5,"Value":{"a":1}},{"Value":null}]}',
    "Profile.CallbackPortraitSet",
    data={
        "nickname": None,
        "attributes": '[{"key":"Tag_Profile_IM_Nick"},{"key":"Tag_Profile_IM_Nick","value":"n"},{"key":"5","value":"{\\"a\\":1}"}]',
    },
)
REGISTER = "callbackAfterUserRegisterCommand"
openim(
    "each: elements may be anything; only raw is cut down; id of the whole body after redaction",
    '{"callbackCommand":"%s","users":[{"userID":"a","nickname":""},"odd",null],"secret":"s3","x":1.50}' % REGISTER,
    REGISTER,
    topics=["im.user.registered", "im.unknown", "im.unknown"],
    data=[{"user_id": '"a"', "nickname": None}, {"missing_fields": '["user_id"]'}, {"missing_fields": '["user_id"]'}],
    raw=[
        f'{{"callbackCommand":"{REGISTER}","users":[{e}],"secret":"[redacted]","x":1.50}}'
        for e in ('{"userID":"a","nickname":""}', '"odd"', "null")
    ],
    hashed=[part("openim") + part(REGISTER) + part("op-1") + part("a")]
    + [
        part("openim")
        + part(REGISTER)
        + part("op-1")
        + MINUTE
        + part(
            f'{{"callbackCommand":"{REGISTER}","users":[{{"userID":"a","nickname":""}},"odd",null],"secret":"[redacted]","x":1.50}}'
        )
        + part(n)
        for n in "12"
    ],
)
for title, value in (("null", "null"), ("empty", "[]"), ("an object", '{"0":{"userID":"a"}}')):
    openim(
        f"each: {title}",
        f'{{"users":{value}}}',
        REGISTER,
        topics=UNKNOWN,
        data={"unknown_reason": '"missing_field"', "missing_fields": '["$.users"]'},
        raw=f'{{"users":{value}}}',
        hashed=part("openim") + part(REGISTER) + part("op-1") + MINUTE + part(f'{{"users":{value}}}') + part(""),
    )
FRIEND = "Sns.CallbackPrevFriendAdd"
tencent(
    "items: the very JSON value of every id that is there",
    '{"From_Account":"u1","FriendItem":[{"To_Account":12345678901234567890},{"To_Account":null},{"AddWording":"x"},"odd",{"To_Account":""},{"To_Account":1.50}],"EventTime":1735689599500}',
    FRIEND,
    topics=["im.decisions"] * 6,
    data=[{"recipient_id": '"12345678901234567890"'}] + [{"recipient_id": None}] * 5,
    reply=OK[:-1]
    + ',"ResultItem":[{"To_Account":12345678901234567890,"ResultCode":0,"ResultInfo":""},{"To_Account":"","ResultCode":0,"ResultInfo":""},{"To_Account":1.50,"ResultCode":0,"ResultInfo":""}]}',
)
tencent(
    "items: nothing to answer",
    '{"From_Account":"u1","FriendItem":[]}',
    FRIEND,
    topics=UNKNOWN,
    data={"missing_fields": '["$.FriendItem"]'},
    reply=OK,
)
SENT = "C2C.CallbackAfterSendMsg"
RESULTS = ("null", '""', "0", '"0"', "[]", "0.0", "false", '"20006"')
tencent(
    "kinds_by: null, empty text and empty list match neither is nor not",
    '{"Events":['
    + ",".join(
        f'{{"CallbackCommand":"{SENT}","From_Account":"b","To_Account":"a","MsgKey":"k{n}","SendMsgResult":{r},"MsgBody":[]}}'
        for n, r in enumerate(RESULTS)
    )
    + "]}",
    SENT,
    topics=["im.message.direct.sent"] * 5 + ["im.message.direct.failed"] * 3,
    data=[{"error_code": None, "content_types": "[]"}] * 5 + [{"error_code": None}] * 2 + [{"error_code": "20006"}],
    reply=OK,
)
tencent(
    "kinds_by: no case",
    '{"Events":[{"CallbackCommand":"Push.OfflinePush","To_Account":"u","ErrCode":0,"PushStage":2.0,"PushID":"p"}]}',
    "Push.OfflinePush",
    topics=UNKNOWN,
    data={"unknown_reason": '"unmatched_kind"', "missing_fields": None},
)

tencent(
    "kinds_by: a path through what is no object",
    '{"Info":[{"Action":"Login","To_Account":"u"}]}',
    "State.StateChange",
    topics=UNKNOWN,
    data={"unknown_reason": '"unmatched_kind"'},
    raw='{"Info":[{"Action":"Login","To_Account":"u"}]}',
)
openim(
    "kinds_by: first of two members, a text for a number",
    '{"fromUserID":"a","toUserID":"b","HandleResult":null,"handleResult":"-1"}',
    "callbackBeforeAddFriendAgreeCommand",
    topics=["im.decisions"],
    data={"kind": '"friend.request.refuse"', "verdict": '"allow"', "enforced": "true", "recipient_id": '"b"'},
    reply=ALLOW,
)
openim(
    "required: a before-event is never short of a field",
    '{"groupID":7.5}',
    "callbackBeforeSetGroupInfoExCommand",
    topics=["im.decisions"],
    event={"subject": None, "partitionkey": None, "type": '"im.group.update"'},
    data={"group_id": None},
    reply=ALLOW[:-1] + ',"groupID":7.5}',
)
tencent(
    "source: an empty SdkAppid is none",
    '{"Limit":1}',
    query="SdkAppid=&CallbackCommand=Alert.RequestOverLimit",
    event={"source": '"/tencent/unknown"', "partitionkey": '"alarm:api_rate"'},
    data={"limit": "1", "occurred_at_ms": None},
)

tencent(
    "kinds_by: the other case of member states",
    '{"GroupId":"g","EventType":"Online","MemberList":[{"Member_Account":5}],"EventTime":1735689599500}',
    "Group.CallbackOnMemberStateChange",
    topics=["im.group.member.online"],
    data={"member_ids": '["5"]', "cause": None},
)
tencent(
    "kinds_by: the other case of room members",
    '{"RoomId":7,"EventType":"Offline","MemberList":[{"Member_Account":"u"}],"EventTime":1735689599500}',
    "Live.CallbackAfterMemberStateChanged",
    topics=["im.live.member.offline"],
    event={"partitionkey": '"room:7"'},
)

# --- envelopes -----------------------------------------------------------------------------------------------------------

tencent(
    "envelope: two positions, an element that is no object, one with a command of its own",
    '{"CallbackCommand":"ignored","Events":[{"CallbackCommand":"Sns.CallbackFriendDelete","PairList":[{"From_Account":"a","To_Account":"b"},{"From_Account":"b","To_Account":"a"}]},7,{"PairList":[{}]},{"CallbackCommand":""},{"CallbackCommand":"New.Thing"}]}',
    query="SdkAppid=14&CallbackCommand=Sns.CallbackFriendDelete&RequestID=r1",
    topics=["im.friend.deleted", "im.friend.deleted", "im.unknown", "im.unknown", "im.unknown", "im.unknown"],
    data=[
        {},
        {},
        {"unknown_reason": '"not_json"'},
        {"missing_fields": '["user_id","friend_id"]'},
        {"missing_fields": '["$.PairList"]'},
        {"unknown_reason": '"unknown_command"'},
    ],
    event=[
        {},
        {"subject": '"user/b/friend/a"'},
        {"imcommand": '"Sns.CallbackFriendDelete"'},
        {},
        {},
        {"imcommand": '"New.Thing"', "correlationid": '"r1"'},
    ],
    reply=OK,
)
ENVELOPE = (
    '{"Events":[7,{"CallbackCommand":"Sns.CallbackFriendDelete","PairList":[{"From_Account":"a","To_Account":"b"}]}]}'
)
tencent(
    "envelope: the position of both steps, the whole request body",
    ENVELOPE,
    query="CallbackCommand=Push.OfflinePush&RequestID=r1",
    topics=["im.unknown", "im.friend.deleted"],
    event={"source": '"/tencent/unknown"'},
    data={"raw_text": json.dumps(ENVELOPE), "raw": None},
    hashed=[
        part("tencent") + part("Push.OfflinePush") + part("r1") + part(ENVELOPE) + part("0"),
        part("tencent") + part("Sns.CallbackFriendDelete") + part("r1") + part(ENVELOPE) + part("1.0"),
    ],
)
tencent(
    "envelope: empty is none",
    f'{{"CallbackCommand":"{FULL}","GroupId":"g","Events":[],"EventTime":1735689599500}}',
    FULL,
    topics=["im.group.full"],
)
tencent(
    "envelope: always the plain allow",
    f'{{"Events":[{{"CallbackCommand":"{FRIEND}","From_Account":"a","FriendItem":[{{"To_Account":"b"}}],"EventTime":1735689599500}}]}}',
    FRIEND,
    topics=["im.decisions"],
    reply=OK,
)

# --- names of commands ----------------------------------------------------------------------------------------------------

G = '{"groupID":"g","userID":"u"}'
openim(
    "name: slashes around, other case in the path",
    G,
    path=f"///hook//{QUIT.upper()}//",
    topics=["im.group.member.left"],
    event={"imcommand": f'"{QUIT}"'},
)
openim(
    "name: the body's wins, known or not",
    '{"callbackCommand":"callbackNew"}',
    QUIT,
    topics=UNKNOWN,
    event={"imcommand": '"callbackNew"', "subject": '"command/callbackNew"'},
    hashed=part("openim")
    + part("callbackNew")
    + part("op-1")
    + MINUTE
    + part('{"callbackCommand":"callbackNew"}')
    + part(""),
)
openim(
    "name: one in the body that is no text is none",
    '{"callbackCommand":5,"groupID":"g","userID":"u"}',
    QUIT,
    topics=["im.group.member.left"],
)
openim(
    "name: other case in the body",
    '{"callbackCommand":"callbackafterquitgroupcommand","groupID":"g","userID":"u"}',
    path="",
    event={"imcommand": f'"{QUIT}"'},
)
openim(
    "name: an exact one before one of another case",
    '{"groupID":"g","userID":"u"}',
    "CallbackBeforeSetGroupMemberInfoCommand",
    event={"imcommand": '"CallbackBeforeSetGroupMemberInfoCommand"'},
)
openim(
    "name: the first row of another case",
    '{"groupID":"g","userID":"u"}',
    "CALLBACKBEFORESETGROUPMEMBERINFOCOMMAND",
    event={"imcommand": '"callbackBeforeSetGroupMemberInfoCommand"'},
)
openim(
    "name: query before what a query swallowed",
    G,
    path="/hook",
    query=f"COMMAND=no&command={QUIT}&token=x/{KICK}",
    topics=["im.group.member.left"],
)
openim(
    "name: swallowed, encoded, after the last slash of the last value",
    G,
    path="",
    query=f"key=a%2Fb&token=s%2Ft%2F{QUIT}",
    topics=["im.group.member.left"],
)
openim(
    "name: only the last parameter can swallow",
    G,
    path="",
    query=f"token=x/{QUIT}&key=abc",
    topics=UNKNOWN,
    data={"unknown_reason": '"no_command"'},
    event={"imcommand": None, "subject": None},
    hashed=part("openim") + part("") + part("op-1") + MINUTE + part(G) + part(""),
)
openim(
    "name: a value without a slash has swallowed nothing",
    G,
    path="",
    query=f"x={QUIT}",
    topics=UNKNOWN,
    data={"unknown_reason": '"no_command"'},
)
openim(
    "name: unknown everywhere, the path stands",
    "{}",
    path="/hook/",
    query="command=other",
    topics=UNKNOWN,
    event={"imcommand": '"hook"'},
)
openim(
    "name: the query of the documentation",
    G,
    path="/",
    query=f"contenttype=json&CallbackCommand={QUIT}",
    topics=["im.group.member.left"],
)
openim(
    "name: control characters go from attributes, the id has them",
    '{"callbackCommand":"new\\u0001"}',
    path="",
    topics=UNKNOWN,
    event={"imcommand": '"new\ufffd"', "subject": '"command/new\ufffd"'},
    hashed=part("openim")
    + part("new\x01")
    + part("op-1")
    + MINUTE
    + part('{"callbackCommand":"new\\u0001"}')
    + part(""),
)
openim(
    "name: not_json comes before no_command",
    "[]",
    path="",
    topics=UNKNOWN,
    data={"unknown_reason": '"not_json"', "raw_text": '"[]"'},
    event={"subject": None},
)
KNOWN = f'{{"CallbackCommand":"{FULL}","GroupId":"g","EventTime":1735689599500}}'
tencent("name: the body's when it is known", KNOWN, "Group.CallbackAfterSendMsg", event={"imcommand": f'"{FULL}"'})
tencent("name: the query's when the body's is unknown", KNOWN.replace("Full", "Empty"), FULL, topics=["im.group.full"])
tencent(
    "name: an unknown one in the body when the query has none",
    KNOWN.replace("Full", "Empty"),
    query="SdkAppid=14",
    topics=UNKNOWN,
    event={"imcommand": '"Group.CallbackAfterGroupEmpty"'},
)
tencent(
    "name: case counts", '{"GroupId":"g"}', FULL.lower(), topics=UNKNOWN, data={"unknown_reason": '"unknown_command"'}
)
tencent(
    "name: another spelling of a row",
    '{"RoomId":"r","EventTime":1735689599500}',
    "Room.CallbackUpdateRoomInfo",
    event={"imcommand": '"Room.CallbackAfterUpdateRoomInfo"'},
)
tencent(
    "query: equal names, percent, plus, broken percent, invalid UTF-8, empty pieces, no equals sign",
    '{"GroupId":"g","EventTime":1735689599500}',
    query="&&SdkAppid=1&SDKAPPID=14&flag&CallbackCommand=Group.Callback%41fterGroupFull&clientip=a+b%2b%zz%4&ClientIP=%c3%A9%ff%e2%82=%2&",
    event={"source": '"/tencent/14"', "imcommand": f'"{FULL}"'},
    data={"client_ip": '"é\ufffd\ufffd=%2"'},
)
tencent(
    "query: plus and broken percent",
    '{"GroupId":"g","EventTime":1735689599500}',
    query=f"SdkAppid=14&CallbackCommand={FULL}&ClientIP=a+b%2b%zz%4",
    data={"client_ip": '"a b+%zz%4"'},
)

# --- correlation, attributes, keys ------------------------------------------------------------------------------------------

openim(
    "correlation: an empty header asks the body; an integer is a text",
    '{"groupID":"g","userID":"u","operationID":77}',
    QUIT,
    headers={"OPERATIONID": ""},
    event={"correlationid": '"77"'},
    hashed=part("openim")
    + part(QUIT)
    + part("77")
    + MINUTE
    + part('{"groupID":"g","userID":"u","operationID":77}')
    + part(""),
)
openim(
    "correlation: none",
    G,
    QUIT,
    headers={},
    event={"correlationid": None},
    hashed=part("openim") + part(QUIT) + part("") + MINUTE + part(G) + part(""),
)
openim(
    "attributes: control characters become U+FFFD, noncharacters stay, data keeps all",
    '{"groupID":"a\\u0000b\\u001f\\u007f\\u0085\\u009f\\u00a0\\ufffe\\n","userID":"u"}',
    QUIT,
    headers={"operationid": "o\u0085\tp"},
    event={
        "subject": '"group/a\ufffdb\ufffd\ufffd\ufffd\ufffd\u00a0\ufffe\ufffd"',
        "partitionkey": '"group:a\ufffdb\ufffd\ufffd\ufffd\ufffd\u00a0\ufffe\ufffd"',
        "correlationid": '"o\ufffd\ufffdp"',
    },
    data={"group_id": '"a\\u0000b\\u001f\x7f\x85\x9f\u00a0\ufffe\\n"'},
)
openim(
    "attributes: cut at 1024 bytes on a character border, after the replacement",
    {"groupID": "€" * 400, "userID": "u"},
    QUIT,
    event={"partitionkey": json.dumps("group:" + "€" * 339), "subject": json.dumps("group/" + "€" * 339)},
    data={"group_id": json.dumps("€" * 400)},
)
openim(
    "pairs: byte order, not that of UTF-16",
    '{%s,"sendID":"\U0001f600","recvID":"\uffff"}' % MESSAGE,
    DIRECT,
    data={"conversation_id": '"direct:\uffff_\U0001f600"'},
    event={"partitionkey": '"direct:\uffff_\U0001f600"'},
)
openim(
    "session: notification, without group",
    '{%s,"sessionType":"4","groupID":""}' % MESSAGE,
    "callbackAfterMsgSaveDBCommand",
    topics=["im.message.direct.stored"],
    data={"conversation_id": '"notification:u1_u2"', "conversation_type": '"notification"'},
)
openim(
    "session: a group wins over the type",
    '{%s,"sessionType":1,"groupID":"g"}' % MESSAGE,
    "callbackAfterMsgSaveDBCommand",
    topics=["im.message.direct.stored"],
    data={"conversation_id": '"group:g"', "conversation_type": '"group"', "group_id": None},
)
openim(
    "group_id from the conversation where the row gives none",
    '{"conversationID":"sg_g_1","userID":"u","seq":5}',
    "callbackBeforeAfterMsgCommand",
    data={"conversation_id": '"group:g_1"', "group_id": '"g_1"', "sequence": "5"},
    hashed=part("openim") + part("callbackBeforeAfterMsgCommand") + part("sg_g_1") + part("5"),
)
openim(
    "id: 0 is not empty, an empty list is",
    '{"conversationID":"sg_g","userID":"u","seq":0}',
    "callbackBeforeAfterMsgCommand",
    data={"sequence": None},
    hashed=part("openim") + part("callbackBeforeAfterMsgCommand") + part("sg_g") + part("0"),
)
tencent(
    "id: lists are parts in parts, nulls are empty ones",
    '{"GroupId":"g","NewMemberList":[{"Member_Account":"é"},{"Member_Account":null},{},{"Member_Account":2.50}],"EventTime":"x"}',
    "Group.CallbackAfterNewMemberJoin",
    data={"member_ids": '["é"]'},
    hashed=part("tencent")
    + part("Group.CallbackAfterNewMemberJoin")
    + part("g")
    + part(part("é") + part("") + part("2.50"))
    + part("x"),
)
tencent(
    "id: nothing found in a list, the fallback",
    '{"GroupId":"g","NewMemberList":[],"EventTime":1735689599500}',
    "Group.CallbackAfterNewMemberJoin",
    hashed=part("tencent")
    + part("Group.CallbackAfterNewMemberJoin")
    + MINUTE
    + part('{"GroupId":"g","NewMemberList":[],"EventTime":1735689599500}')
    + part(""),
)

# --- reading JSON ---------------------------------------------------------------------------------------------------------

openim(
    "json: of equal names the last value at the first place",
    '{"groupID":"g1","x":1,"userID":"u","groupID":"g2","x":{"a":1,"b":2,"a":3}}',
    QUIT,
    raw='{"groupID":"g2","x":{"a":3,"b":2},"userID":"u"}',
)
openim(
    "json: numbers as received",
    '{"groupID":"g","userID":"u","n":[1e400,-0.0,1.50,-0,12345678901234567890123456789,1E+2,0.1e-7]}',
    QUIT,
    raw='{"groupID":"g","userID":"u","n":[1e400,-0.0,1.50,-0,12345678901234567890123456789,1E+2,0.1e-7]}',
)
openim(
    "json: unpaired surrogates read as U+FFFD, in names too",
    '{"groupID":"\\ud800","userID":"\\udc00\\ud83d\\ude00\\ud83d\\ud83d\\ude00\\ud83dx\\ud83d\\u0041","\\ud800":"\\uDBFF\\uDFFF\\u2028"}',
    QUIT,
    data={"group_id": '"\ufffd"', "member_ids": '["\ufffd\U0001f600\ufffd\U0001f600\ufffdx\ufffdA"]'},
    raw='{"groupID":"\ufffd","userID":"\ufffd\U0001f600\ufffd\U0001f600\ufffdx\ufffdA","\ufffd":"\U0010ffff\u2028"}',
)
openim(
    "json: escapes of all kinds, written as few",
    '{"groupID":"g","userID":"\\u0075","s":"\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\"\\\\<"}',
    QUIT,
    raw='{"groupID":"g","userID":"u","s":"/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\"\\\\<"}',
)
INVALID = b'{"groupID":"g\xff\xe2\x82|\xed\xa0\x80|\xf0\x9f\x98|\xc0\xaf","userID":"u"}'
openim(
    "json: invalid UTF-8, one U+FFFD per maximal sequence; the id has the bytes",
    INVALID,
    QUIT,
    data={"group_id": '"g\ufffd\ufffd|\ufffd\ufffd\ufffd|\ufffd|\ufffd\ufffd"'},
    hashed=(part("openim") + part(QUIT) + part("op-1") + MINUTE).encode() + b"%d:" % len(INVALID) + INVALID + b"0:",
)
for title, body in (
    ("empty", ""),
    ("only white space", " \n"),
    ("a byte order mark", "\ufeff{}"),
    ("a trailing comma", '{"a":1,}'),
    ("a comment", '{"a":1 // one\n}'),
    ("NaN", '{"a":NaN}'),
    ("a leading zero", '{"a":01}'),
    ("a point without digits", '{"a":1.}'),
    ("a plus sign", '{"a":+1}'),
    ("text behind", "{} {}"),
    ("a raw line feed in a string", '{"a":"x\ny"}'),
    ("single quotes", "{'a':1}"),
    ("a broken escape", '{"a":"\\x"}'),
    ("a short escape", '{"a":"\\u12"}'),
    ("a form feed as white space", "{\f}"),
    ("a list", "[{}]"),
    ("a text", '"x"'),
    ("null", "null"),
    ("another digit", '{"a":\u0661}'),
):
    openim(
        f"not JSON or no object: {title}",
        body,
        QUIT,
        topics=UNKNOWN,
        data={"unknown_reason": '"not_json"', "raw": None, "raw_text": compact(body)},
        reply=ALLOW,
    )
openim(
    "not JSON: invalid UTF-8 in raw_text",
    b'{"a":"\xff',
    QUIT,
    topics=UNKNOWN,
    data={"raw_text": '"{\\"a\\":\\"\ufffd"'},
)
openim(
    "json: 100 levels are read",
    '{"groupID":"g","userID":"u","d":' + "[" * 99 + "]" * 99 + "}",
    QUIT,
    topics=["im.group.member.left"],
)
openim(
    "json: 101 levels are none (our choice)",
    '{"groupID":"g","userID":"u","d":' + "[" * 100 + "]" * 100 + "}",
    QUIT,
    topics=UNKNOWN,
)

# --- redaction --------------------------------------------------------------------------------------------------------------

openim(
    "redaction: everything but null and empty text, top level only",
    '{"groupID":"g","userID":"u","secret":0,"token":[],"Token":"t","x":{"secret":"s"}}',
    QUIT,
    raw='{"groupID":"g","userID":"u","secret":"[redacted]","token":"[redacted]","Token":"t","x":{"secret":"s"}}',
    hashed=part("openim")
    + part(QUIT)
    + part("op-1")
    + MINUTE
    + part('{"groupID":"g","userID":"u","secret":"[redacted]","token":"[redacted]","Token":"t","x":{"secret":"s"}}')
    + part(""),
)
openim(
    "redaction: nothing replaced, the id has the bytes",
    '{"groupID":"g", "userID":"u","secret":null,"token":""}',
    QUIT,
    raw='{"groupID":"g","userID":"u","secret":null,"token":""}',
    hashed=part("openim")
    + part(QUIT)
    + part("op-1")
    + MINUTE
    + part('{"groupID":"g", "userID":"u","secret":null,"token":""}')
    + part(""),
)
BROKEN = '{"secret" : "a\\"b","token":"","x":{"token":"c'
openim(
    "redaction: in a text, the example of the rules",
    BROKEN,
    QUIT,
    topics=UNKNOWN,
    data={"raw_text": json.dumps('{"secret" : "[redacted]","token":"","x":{"token":"[redacted]')},
    hashed=part("openim")
    + part(QUIT)
    + part("op-1")
    + MINUTE
    + part('{"secret" : "[redacted]","token":"","x":{"token":"[redacted]')
    + part(""),
)
openim(
    "redaction: in a text, numbers and other spellings stay, any white space around the colon, escapes at the end",
    '["secret"\t\r\n:\n"a\\\\","Secret":"x","secret":5,"\\u0073ecret":"y","secret":"token":"z","a\\"secret":"q","token":"end\\',
    QUIT,
    topics=UNKNOWN,
    data={
        "raw_text": json.dumps(
            '["secret"\t\r\n:\n"[redacted]","Secret":"x","secret":5,"\\u0073ecret":"y","secret":"[redacted]":"z","a\\"secret":"[redacted]","token":"[redacted]'
        )
    },
)
tencent(
    "redaction: none for Tencent",
    '{"GroupId":"g","token":"t","EventTime":1735689599500}',
    FULL,
    raw='{"GroupId":"g","token":"t","EventTime":1735689599500}',
)
LONG = '["' + "x" * (TEXT_MAX - 6) + "€€"
openim(
    "raw_text: cut at 65,536 bytes on a character border",
    LONG,
    QUIT,
    topics=UNKNOWN,
    data={"raw_text": json.dumps('["' + "x" * (TEXT_MAX - 6) + "€", ensure_ascii=False)},
    hashed=part("openim") + part(QUIT) + part("op-1") + MINUTE + part(LONG) + part(""),
)
openim(
    "raw_text: redacted before it is cut, the id has it uncut",
    '{"secret":"' + "s" * 70000 + '","x":"' + "y" * 70000,
    QUIT,
    topics=UNKNOWN,
    data={"raw_text": json.dumps('{"secret":"[redacted]","x":"' + "y" * (TEXT_MAX - 28))},
    hashed=part("openim")
    + part(QUIT)
    + part("op-1")
    + MINUTE
    + part('{"secret":"[redacted]","x":"' + "y" * 70000)
    + part(""),
)

# --- message content ----------------------------------------------------------------------------------------------------------


def message(content, code="101"):
    return '{"sendID":"u2","recvID":"u1","serverMsgID":"s","sendTime":1735689599500,"contentType":%s,"content":%s}' % (
        code,
        content,
    )


def quoted(text, levels):
    """A quote of a quote …, `levels` messages inside the first."""
    inner = {"contentType": Num(101), "textElem": {"content": text}}
    for level in range(levels - 1, 0, -1):
        inner = {"contentType": Num(114), "quoteElem": {"text": f"q{level}", "quoteMessage": inner}}
    return {"text": "q0", "quoteMessage": inner}


for title, content, text in (
    ("a JSON string", '"\\"hello\\""', '"hello"'),
    ("not JSON", '"hello {"', '"hello {"'),
    ("a list", '"[\\"a\\"]"', '"[\\"a\\"]"'),
    ("a number", '"5"', '"5"'),
    ("null", '"null"', '"null"'),
    ("empty", '""', None),
    ("white space", '" \\n\u3000"', None),
    ("not a text", '{"content":"x"}', None),
    ("a number inside", '"{\\"content\\":1.50}"', '"1.50"'),
    ("a value that is no text", '"{\\"content\\":[\\"x\\"]}"', None),
    (
        "control characters go, tab and line feed stay",
        '"{\\"content\\":\\" a\\\\u0000\\\\tb\\\\u007f\\\\n\\\\u000bc\\\\r \\"}"',
        '" a\\tb\\nc\\r "',
    ),
):
    openim(
        f"content: {title}",
        message(content),
        DIRECT,
        data={"text": text, "content_type": '"text"', "content_types": '["text"]'},
    )
openim(
    "content: no type, all strings; JSON in a string is opened once",
    message(
        compact('{"a":"{\\"b\\":[\\"one\\",2,\\"{\\\\\\"c\\\\\\":\\\\\\"two\\\\\\"}\\"]}","n":5,"l":["x",{"k":"  "}]}'),
        "1.0",
    ),
    DIRECT,
    data={"content_type": '"unknown"', "text": json.dumps('one\n{"c":"two"}\nx')},
)
openim(
    "content: a range has a type and reads nothing",
    message('"plain words"', '"1501"'),
    DIRECT,
    data={"content_type": '"notification"', "text": None},
)
openim(
    "content: loose strings, a number too",
    message(
        compact(
            '{"data":"{\\"t\\":\\"poll\\",\\"o\\":[\\"tea\\",{\\"x\\":\\"coffee\\"}]}","description":7,"extension":"[1]"}'
        ),
        "110",
    ),
    DIRECT,
    data={"content_type": '"custom"', "text": '"poll\\ntea\\ncoffee\\n7"'},
)
openim(
    "content: depth 8 is read",
    message(compact(compact(quoted("deep", 8))), "114"),
    DIRECT,
    data={"text": json.dumps("\n".join([f"q{n}" for n in range(8)] + ["deep"])), "text_incomplete": None},
)
openim(
    "content: depth 9 is not",
    message(compact(compact(quoted("deep", 9))), "114"),
    DIRECT,
    data={"text": json.dumps("\n".join(f"q{n}" for n in range(9))), "text_incomplete": "true"},
)
openim(
    "content: a nested message from its element, or else from its content; an official one from its detail",
    message(
        compact(
            compact(
                {
                    "title": "t",
                    "multiMessage": [
                        {"contentType": "101", "textElem": {"content": "element"}, "content": "not this"},
                        {"contentType": Num(101), "textElem": None, "content": '{"content":"content"}'},
                        {"contentType": Num(101), "textElem": "odd"},
                        "no message",
                        None,
                        {"content": "no type"},
                        {"contentType": Num(1501), "notificationElem": {"detail": "unread"}},
                        {
                            "contentType": Num(1400),
                            "notificationElem": {
                                "detail": '{"notificationName":"Library","text":"closed today"}',
                                "url": "https://a.example/1",
                            },
                        },
                        {
                            "contentType": Num(102),
                            "pictureElem": {
                                "sourcePicture": {"url": "https://a.example/1"},
                                "bigPicture": {"url": ""},
                                "snapshotPicture": {"url": "https://a.example/2"},
                            },
                        },
                    ],
                }
            )
        ),
        "107",
    ),
    DIRECT,
    data={
        "text": '"t\\nelement\\ncontent\\nno type\\nLibrary\\nclosed today"',
        "media_urls": '["https://a.example/1","https://a.example/2"]',
        "content_type": '"merged"',
        "text_incomplete": None,
    },
)
openim(
    "content: 65,536 bytes on a character border, pieces joined",
    message(compact(compact({"title": "x" * (TEXT_MAX - 3), "abstractList": ["€", "z"]})), "107"),
    DIRECT,
    data={"text": json.dumps("x" * (TEXT_MAX - 3) + "\n"), "text_incomplete": "true"},
)
openim(
    "content: exactly 65,536 bytes are not cut",
    message(compact(compact({"title": "x" * (TEXT_MAX - 4), "abstractList": ["€"]})), "107"),
    DIRECT,
    data={"text": json.dumps("x" * (TEXT_MAX - 4) + "\n€", ensure_ascii=False), "text_incomplete": None},
)
openim(
    "content: repeats of addresses go first, then 100 stay",
    message(
        compact(
            compact({"text": "t", "messageEntityList": [{"url": f"https://a.example/{n // 2}"} for n in range(300)]})
        ),
        "117",
    ),
    DIRECT,
    data={"media_urls": compact([f"https://a.example/{n}" for n in range(100)])},
)
GROUP = "Group.CallbackAfterSendMsg"


def group(body):
    return f'{{"GroupId":"g","From_Account":"u","MsgSeq":1,"MsgBody":{body},"EventTime":1735689599500}}'


def relay(text, levels):
    """A forward of a forward …, `levels` bodies inside the first."""
    body = [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}]
    for level in range(levels - 1, -1, -1):
        body = [{"MsgType": "TIMRelayElem", "MsgContent": {"Title": f"r{level}", "MsgList": [{"MsgBody": body}]}}]
    return compact(body)


tencent(
    "content: depth 8 is read",
    group(relay("deep", 8)),
    GROUP,
    data={"text": json.dumps("\n".join([f"r{n}" for n in range(8)] + ["deep"])), "text_incomplete": None},
)
tencent(
    "content: depth 9 is not",
    group(relay("deep", 9)),
    GROUP,
    data={"text": json.dumps("\n".join(f"r{n}" for n in range(9))), "text_incomplete": "true"},
)
tencent(
    "content: types in order without repeats, elements that are no objects skipped",
    group(
        '[{"MsgType":"TIMFaceElem","MsgContent":{"Index":1,"Data":7}},5,{"MsgType":"TIMTextElem","MsgContent":{"Text":"a"}},{"MsgType":"TIMFaceElem","MsgContent":null},{"MsgContent":{"Any":{"x":["{\\"y\\":\\"b\\"}"]}}},{"MsgType":"TIMImageElem","MsgContent":{"ImageInfoArray":[{"URL":" "},{"URL":""},{"URL":5}]}}]'
    ),
    GROUP,
    data={
        "content_type": '"mixed"',
        "content_types": '["face","text","unknown","image"]',
        "text": '"7\\na\\nb"',
        "media_urls": '[" "]',
    },
)
tencent(
    "content: no list, no content fields",
    group('{"MsgType":"TIMTextElem"}'),
    GROUP,
    data={"content_type": None, "content_types": None, "text": None},
)
tencent(
    "content: a forward by key only",
    group('[{"MsgType":"TIMRelayElem","MsgContent":{"Title":"","AbstractList":["a",5,null],"JsonMsgKey":"k"}}]'),
    GROUP,
    data={"content_type": '"merged"', "text": '"a\\n5"', "text_incomplete": "true"},
)
tencent(
    "content: an empty key hides nothing",
    group('[{"MsgType":"TIMRelayElem","MsgContent":{"Title":"t","JsonMsgKey":""}}]'),
    GROUP,
    data={"text": '"t"', "text_incomplete": None},
)


# --- requests that are not split -----------------------------------------------------------------------------------

# 6000 texts of 12 KB, 3300 bodies of 20 KB: more than 64 MiB each.
tencent(
    "too much: an envelope of numbers stays whole",
    '{"Events":[' + ",".join("0" * 6000) + "]}",
    "Push.AllMemberPush",
    topics=UNKNOWN,
    data={"unknown_reason": '"missing_field"', "missing_fields": '["$.Events"]', "raw_text": None},
    event={"imcommand": '"Push.AllMemberPush"'},
    reply=OK,
)
openim(
    "too much: a list beside much else stays whole",
    f'{{"callbackCommand":"callbackAfterUserRegisterCommand","secret":"s","pad":"{"x" * 20000}","users":['
    + ",".join(["{}"] * 3300)
    + "]}",
    "callbackAfterUserRegisterCommand",
    topics=UNKNOWN,
    data={"unknown_reason": '"missing_field"', "missing_fields": '["$.users"]'},
    reply=ALLOW,
)


def main():
    path = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "edges.jsonl"
    path.write_text("".join(json.dumps(request) + "\n" for request, _ in EDGES), "utf-8")


if __name__ == "__main__":
    main()
