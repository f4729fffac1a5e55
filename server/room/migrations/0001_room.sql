-- Numbers (nid) are given out by the program.

CREATE TABLE room_rooms (
  nid BIGINT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  version TEXT NOT NULL,
  snapshot BIGINT NOT NULL,
  last BIGINT NOT NULL,
  ends TEXT NOT NULL
);

-- ord is the place in the timeline: the stream position, but for events that are
-- filled in from before. snapshot is the state before the event, after the one behind
-- it. flags: 1 rejected, 2 soft-failed, 4 state event.
CREATE TABLE room_events (
  nid BIGINT PRIMARY KEY,
  room BIGINT NOT NULL,
  id TEXT NOT NULL UNIQUE,
  ord BIGINT NOT NULL,
  snapshot BIGINT NOT NULL,
  after BIGINT NOT NULL,
  flags BIGINT NOT NULL,
  json BYTEA NOT NULL
);
CREATE UNIQUE INDEX room_events_timeline ON room_events (room, ord);

-- Interned places in the state.
CREATE TABLE room_keys (
  nid BIGINT PRIMARY KEY,
  type TEXT NOT NULL,
  state_key TEXT NOT NULL,
  UNIQUE (type, state_key)
);

-- A state is its parent with one entry changed, or taken away if event is 0; root is
-- the stored tree of it, or 0.
CREATE TABLE room_snapshots (
  nid BIGINT PRIMARY KEY,
  parent BIGINT NOT NULL,
  place BIGINT NOT NULL,
  event BIGINT NOT NULL,
  root BIGINT NOT NULL
);

CREATE TABLE room_nodes (
  nid BIGINT PRIMARY KEY,
  data BYTEA NOT NULL
);

CREATE TABLE room_members (
  user_id TEXT NOT NULL,
  room BIGINT NOT NULL,
  membership TEXT NOT NULL,
  event BIGINT NOT NULL,
  forgotten BOOLEAN NOT NULL,
  PRIMARY KEY (user_id, room)
);
CREATE INDEX room_members_of_room ON room_members (room, membership);

CREATE TABLE room_txns (
  scope TEXT NOT NULL,
  id TEXT NOT NULL,
  event BIGINT NOT NULL,
  PRIMARY KEY (scope, id)
);

CREATE TABLE room_redactions (
  target TEXT PRIMARY KEY,
  redaction BIGINT NOT NULL
);
