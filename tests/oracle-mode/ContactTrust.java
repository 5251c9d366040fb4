import java.sql.Connection;
import java.sql.SQLException;
import org.h2.api.Trigger;

/** Fills the columns of a contact that Delius' own triggers fill: flag 0, the member of staff, the team. */
public final class ContactTrust implements Trigger {
    private int flag;
    private int employee;
    private int trustTeam;
    private int staff;
    private int providerEmployee;
    private int team;
    private int providerTeam;

    @Override
    public void init(Connection connection, String schema, String trigger, String table, boolean before, int type)
            throws SQLException {
        try (var columns = connection.getMetaData().getColumns(null, schema, table, null)) {
            while (columns.next()) {
                int place = columns.getInt("ORDINAL_POSITION") - 1;
                switch (columns.getString("COLUMN_NAME")) {
                    case "TRUST_PROVIDER_FLAG" -> flag = place;
                    case "STAFF_EMPLOYEE_ID" -> employee = place;
                    case "TRUST_PROVIDER_TEAM_ID" -> trustTeam = place;
                    case "STAFF_ID" -> staff = place;
                    case "PROVIDER_EMPLOYEE_ID" -> providerEmployee = place;
                    case "TEAM_ID" -> team = place;
                    case "PROVIDER_TEAM_ID" -> providerTeam = place;
                    default -> { }
                }
            }
        }
    }

    @Override
    public void fire(Connection connection, Object[] before, Object[] after) {
        after[flag] = after[staff] == null ? 1 : 0;
        after[employee] = after[staff] == null ? after[providerEmployee] : after[staff];
        after[trustTeam] = after[team] == null ? after[providerTeam] : after[team];
    }
}
