-- The roles that may run the service, so that `migrate` can give them what a later version's tables need: nobody has to
-- remember it between a migration and the start of the new version.
create table service_roles (
    role       name        primary key,
    allowed_at timestamptz not null default clock_timestamp()
);

-- Those who were allowed before there was this table.
insert into service_roles (role)
select distinct grantee.rolname
from pg_class c
cross join lateral aclexplode(c.relacl) as granted
join pg_roles grantee on grantee.oid = granted.grantee
where c.oid = 'events'::regclass and granted.privilege_type = 'INSERT' and granted.grantee <> c.relowner;

-- older versions survive this: only operators call it, and its old name is taken over below.
alter function allow_service(name) rename to grant_service;

-- To be called once for the role that the service connects as (which should not own the tables):
--     select allow_service('pom_cases');
create function allow_service(service name) returns void language plpgsql as $$
begin
    insert into service_roles (role) values (service) on conflict do nothing;
    perform grant_service(service);
    execute format('revoke insert, update, delete on service_roles from %I', service);
end $$;

-- Once more for everybody who was allowed; `migrate` does it. Who is gone is left out.
create function allow_services_again() returns setof name language plpgsql as $$
declare
    service name;
begin
    for service in select role from service_roles where role in (select rolname from pg_roles) order by role
    loop
        perform allow_service(service);
        return next service;
    end loop;
end $$;
