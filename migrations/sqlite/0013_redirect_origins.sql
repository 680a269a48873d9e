-- Where a target's answer to the posted form may redirect: browsers check every step against what the landing page allows.

-- A sorted JSON array of at most 10 origins. The origin of `url` is allowed without being named.
ALTER TABLE target ADD COLUMN redirect_origins TEXT NOT NULL DEFAULT '[]'
CHECK (json_type(redirect_origins) = 'array' AND json_array_length(redirect_origins) BETWEEN 0 AND 10)
-- What nobody posts to redirects nobody.
CHECK (delivery = 'form_post' OR json_array_length(redirect_origins) = 0);
