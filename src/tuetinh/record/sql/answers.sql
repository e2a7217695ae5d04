-- What another facility answers for is changed there (`tuetinh.record.sight`: `elsewhere`, `closed`), whatever statement
-- tries it. These are triggers and not policies for UPDATE, because policies for UPDATE would also hide rows from
-- SELECT … FOR UPDATE, by which pages lock rows of others, and would leave out in silence what is to be refused. Their
-- conditions are comparisons with settings; the function is called only to refuse. Nobody but who sees everything
-- changes the feed.
CREATE FUNCTION record.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE insufficient_privilege USING MESSAGE = format(
    '%s of %s is for the facility that answers for it alone', lower(TG_OP), TG_TABLE_NAME);
END $$;
