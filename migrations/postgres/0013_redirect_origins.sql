-- Where a target's answer to the posted form may redirect: browsers check every step against what the landing page allows.

-- A sorted array of at most 10 origins. The origin of `url` is allowed without being named.
ALTER TABLE target ADD COLUMN redirect_origins TEXT[] NOT NULL DEFAULT '{}'
CHECK (cardinality(redirect_origins) BETWEEN 0 AND 10 AND array_position(redirect_origins, NULL) IS NULL)
-- What nobody posts to redirects nobody.
CHECK (delivery = 'form_post' OR cardinality(redirect_origins) = 0);

-- While services are exchanged one after the other, the version before puts targets too, and knows of no redirects. Whoever names
-- others meanwhile is asked whether they fit.
CREATE FUNCTION target_drops_redirects() RETURNS TRIGGER
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.redirect_origins := '{}';
    RETURN NEW;
END;
$$;

CREATE TRIGGER target_drops_redirects_that_nobody_follows
BEFORE UPDATE OF delivery ON target
FOR EACH ROW
WHEN (OLD.delivery = 'form_post' AND NEW.delivery <> 'form_post' AND NEW.redirect_origins = OLD.redirect_origins)
EXECUTE FUNCTION target_drops_redirects();
