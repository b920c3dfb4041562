// A folder for one test's files, which goes with the object; and reading and writing of whole
// files.
//
// Errors are thrown as std::system_error with the path in its text.
#pragma once

#include <string>
#include <string_view>

namespace cpss {

class TemporaryFolder {
 public:
  // In memory where the host has /dev/shm. A test that is about a disk, or needs much room, gives
  // std::filesystem::temp_directory_path() as `parent`.
  TemporaryFolder();
  explicit TemporaryFolder(const std::string& parent);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::string file(std::string_view name) const;
  // Writes that file, or replaces its content, and returns its path.
  std::string write(std::string_view name, std::string_view content) const;

 private:
  std::string path_;
};

std::string read_file(const std::string& path);
// Replaces the content. A file that exists keeps its mode and owner.
void write_file(const std::string& path, std::string_view content);

}  // namespace cpss
