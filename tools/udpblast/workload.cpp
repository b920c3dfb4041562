#include "tools/udpblast/workload.h"

#include "tools/udpblast/data_file.h"
#include "tools/udpblast/echo_workload.h"
#include "tools/udpblast/native_workload.h"
#include "tools/udpblast/work_workload.h"

namespace cpss::udpblast {

std::unique_ptr<Workload> make_workload(const Options& options) {
  if (options.service == ServiceKind::echo) return std::make_unique<EchoWorkload>(options.size);
  if (options.service == ServiceKind::work)
    return std::make_unique<WorkWorkload>(options.size, options.work);
  if (options.data_file)
    return std::make_unique<NativeWorkload>(options.size,
                                            std::make_unique<DataFile>(*options.data_file));
  return std::make_unique<NativeWorkload>(options.size, nullptr);
}

}  // namespace cpss::udpblast
