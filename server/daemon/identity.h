// The user that the server becomes once it is set up (CPSS_USER).
//
// For set-up: asks the system's user and group databases (nsswitch.conf(5)).
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include <sys/types.h>

namespace cpss {

struct UserIdentity {
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;  // supplementary

  bool operator==(const UserIdentity&) const = default;
};

// what() follows the text in a message: "names no user of this host ...".
class NoSuchIdentity : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// USER or USER:GROUP, each by name or number. Without GROUP the group is the user's own.
// Supplementary groups are those of the user (initgroups(3)). A number that no user in the
// databases has needs its GROUP, and has no other groups. Throws NoSuchIdentity.
UserIdentity find_identity(const std::string& text);

}  // namespace cpss
