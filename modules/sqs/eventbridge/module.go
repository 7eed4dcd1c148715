package eventbridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/config"
	awseventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"go.uber.org/fx"

	"github.com/fxpond/fxpond/modules/sqs"
)

// Module lets the routes of sqs.Config name buses. It has nothing to start or stop.
var Module = fx.Module("fxpond/sqs/eventbridge", fx.Provide(New))

// Params are what [New] takes from the app.
type Params struct {
	fx.In

	Config Config                 `optional:"true"`
	Client *awseventbridge.Client `optional:"true"` // default: from the SDK's own chain of environment, files and roles
}

// Result is what [New] gives to the app.
type Result struct {
	fx.Out

	Buses sqs.Carrier `name:"buses"`
}

// New makes the carrier that sqs.Module looks for.
func New(p Params) (Result, error) {
	client := p.Client
	if client == nil {
		cfg, err := config.LoadDefaultConfig(context.Background())
		if err != nil {
			return Result{}, fmt.Errorf("eventbridge: reading the AWS configuration: %w", err)
		}
		if cfg.Region == "" {
			return Result{}, errors.New("eventbridge: no AWS region is configured: set AWS_REGION")
		}
		client = awseventbridge.NewFromConfig(cfg)
	}
	carrier, err := NewCarrier(p.Config, client)
	return Result{Buses: carrier}, err
}
