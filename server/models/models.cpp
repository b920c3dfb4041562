#include "server/models/models.h"

namespace cpss {

Assignment assignment_of(const PipelineOptions& options) {
  switch (options.model) {
    case ServerModel::seda:
      return seda(options);
    case ServerModel::sped:
      return sped(options);
    case ServerModel::symped:
      return symped(options);
    case ServerModel::amped:
      return amped(options);
    case ServerModel::mp:
      break;
  }
  return mp(options);
}

}  // namespace cpss
