-- room is empty for data of the account itself. pos is the place in the stream; data
-- that was deleted stays as an empty object, so that clients hear of it.
CREATE TABLE account_data (
  user_id TEXT NOT NULL,
  room TEXT NOT NULL,
  type TEXT NOT NULL,
  content BYTEA NOT NULL,
  pos BIGINT NOT NULL,
  PRIMARY KEY (user_id, room, type)
);
CREATE INDEX account_data_stream ON account_data (user_id, pos);

CREATE TABLE account_profiles (
  user_id TEXT NOT NULL,
  field TEXT NOT NULL,
  value BYTEA NOT NULL,
  PRIMARY KEY (user_id, field)
);

CREATE TABLE account_filters (
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  filter BYTEA NOT NULL,
  PRIMARY KEY (user_id, id)
);
