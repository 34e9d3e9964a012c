// What test_cpp_runtime.py runs of tgenn_runtime.h: cpp_runtime COMMAND ARGUMENTS; status 2 and a line where it fails

#define TGENN_WITHOUT_GENN
#include "tgenn_runtime.h"

using Arguments = std::vector<std::string>;

std::string standardInput()
{
    return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
}

template<typename T>
void print(const std::vector<T> &values)
{
    std::cout.write(reinterpret_cast<const char*>(values.data()),
                    static_cast<std::streamsize>(values.size() * sizeof(T)));
}

std::vector<size_t> sizes(std::istream &text)
{
    return std::vector<size_t>(std::istream_iterator<size_t>(text), std::istream_iterator<size_t>());
}

// sha256 LENGTH...: of pieces of the standard input
void sha256(const Arguments &arguments)
{
    const std::string bytes = standardInput();
    size_t start = 0;
    for(const std::string &length : arguments) {
        std::cout << tgenn::sha256(bytes.substr(start, std::stoul(length))) << "\n";
        start += std::stoul(length);
    }
}

// shape FILE
void shape(const Arguments &arguments)
{
    const tgenn::NpyReader file(arguments.at(0));
    std::cout << file.path() << " " << file.type() << " " << file.rows() << " "
              << tgenn::shapeText(file.shape()) << "\n";
}

// read FILE FIRST COUNT TYPE
void read(const Arguments &arguments)
{
    tgenn::NpyReader file(arguments.at(0));
    const size_t first = std::stoul(arguments.at(1));
    const size_t count = std::stoul(arguments.at(2));
    if(arguments.at(3) == "float32") { print(file.read<float>(first, count)); }
    if(arguments.at(3) == "float64") { print(file.read<double>(first, count)); }
    if(arguments.at(3) == "int64") { print(file.read<int64_t>(first, count)); }
}

// write FILE TYPE SHAPE PIECE: the standard input, so many bytes at a time
void write(const Arguments &arguments)
{
    std::istringstream axes(arguments.at(2));
    const size_t piece = std::stoul(arguments.at(3));
    const std::string bytes = standardInput();
    tgenn::NpyWriter file(arguments.at(0), arguments.at(1), sizes(axes));
    for(size_t start = 0; start < bytes.size(); start += piece) {
        file.append(bytes.data() + start, std::min(piece, bytes.size() - start));
    }
    file.close();
}

// abandon FILE: an array that is never closed
void abandon(const Arguments &arguments)
{
    tgenn::NpyWriter file(arguments.at(0), "<f4", {2, 3});
    file.append("abcd", 4);
    throw std::runtime_error("abandoned");
}

// settings TIMESTEPS MOST START
void settings(const Arguments &arguments)
{
    const auto number = [&](size_t i) { return static_cast<unsigned int>(std::stoul(arguments.at(i))); };
    const tgenn::Settings s = tgenn::readSettings(number(0), number(1), number(2));
    std::cout << s.data << "," << s.limit << "," << s.shard.index << "/" << s.shard.count
              << "," << s.timesteps << "," << s.batchSize << "," << s.connectivity
              << "," << s.seed << "," << s.output << "\n";
}

// The inputs and outputs, lines of the standard input
struct Network
{
    std::vector<tgenn::Input> inputs;
    std::vector<tgenn::Output> outputs;
};

Network network()
{
    Network network;
    std::string line, kind, name;
    while(std::getline(std::cin, line)) {
        std::istringstream words(line);
        words >> kind >> name;
        if(kind == "input") {
            float divisor, low, high;
            bool binary;
            words >> divisor >> low >> high >> binary;
            network.inputs.push_back(tgenn::Input{name, sizes(words), divisor, low, high, binary, {}});
        }
        else if(kind == "offset") {
            const std::istream_iterator<float> first(words);
            network.inputs.back().offset.assign(first, std::istream_iterator<float>());
        }
        else if(kind == "frames") {
            words >> network.inputs.back().frames;
        }
        else {
            std::string activation;
            words >> activation;
            activation = (activation == "-") ? "" : activation;
            network.outputs.push_back(tgenn::Output{name, sizes(words), activation});
        }
    }
    return network;
}

// examples FOLDER LIMIT INPUT FIRST COUNT
void examples(const Arguments &arguments)
{
    const Network shown = network();
    tgenn::Examples examples(arguments.at(0), shown.inputs, shown.outputs, std::stoul(arguments.at(1)),
                             tgenn::readShard());
    std::cerr << examples.count() << "\n";
    const auto input = std::find_if(shown.inputs.begin(), shown.inputs.end(),
                                    [&](const tgenn::Input &i) { return i.name == arguments.at(2); });
    print(examples.presented(*input, std::stoul(arguments.at(3)), std::stoul(arguments.at(4))));
}

// frame FOLDER INPUT FIRST COUNT FRAME
void frame(const Arguments &arguments)
{
    const Network shown = network();
    tgenn::Examples examples(arguments.at(0), shown.inputs, shown.outputs, 0, tgenn::readShard());
    print(examples.presentedFrame(shown.inputs.at(0), std::stoul(arguments.at(2)), std::stoul(arguments.at(3)),
                                  std::stoul(arguments.at(4))));
}

// mean FOLDER INPUT FIRST COUNT: over the frames
void mean(const Arguments &arguments)
{
    const Network shown = network();
    tgenn::Examples examples(arguments.at(0), shown.inputs, shown.outputs, 0, tgenn::readShard());
    print(examples.framesMean(shown.inputs.at(0), std::stoul(arguments.at(2)), std::stoul(arguments.at(3))));
}

// score FOLDER BATCH TIMESTEPS: of the outputs in FOLDER/OUTPUT.given.npy
void score(const Arguments &arguments)
{
    const Network shown = network();
    tgenn::Examples examples(arguments.at(0), shown.inputs, shown.outputs, 0, {});
    const size_t batch = std::stoul(arguments.at(1));
    for(const tgenn::Output &output : shown.outputs) {
        tgenn::NpyReader given(arguments.at(0) + "/" + output.name + ".given.npy");
        tgenn::Score score(examples, output);
        for(size_t first = 0; first < examples.count(); first += batch) {
            const size_t count = std::min(batch, examples.count() - first);
            score.add(given.read<float>(first, count), count);
        }
        std::cout << score.line(static_cast<unsigned int>(std::stoul(arguments.at(2)))) << "\n";
    }
}

// weights FILE AXIS...
void weights(const Arguments &arguments)
{
    std::vector<size_t> shape;
    for(size_t i = 1; i < arguments.size(); i++) {
        shape.push_back(std::stoul(arguments[i]));
    }
    tgenn::Weights weights;
    print(weights.read(arguments.at(0), shape));
}

// outdated HASH
void outdated(const Arguments &arguments)
{
    tgenn::warnIfOutdated(arguments.at(0));
}

int main(int argc, char **argv)
{
    const std::map<std::string, void (*)(const Arguments&)> commands = {
        {"sha256", sha256}, {"shape", shape}, {"read", read}, {"write", write}, {"abandon", abandon}, {"settings", settings},
        {"examples", examples}, {"frame", frame}, {"mean", mean}, {"score", score}, {"weights", weights}, {"outdated", outdated}};
    try {
        commands.at(argv[1])(Arguments(argv + 2, argv + argc));
    }
    catch(const std::runtime_error &error) {
        std::cerr << error.what() << "\n";
        return 2;
    }
}
